"""Calling a module, with hooks before and after its forward and on its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cnnkit.autograd import Tensor, deferral, is_grad_enabled
from cnnkit.autograd.tape import Handle, mode
from cnnkit.foreign import is_array
from cnnkit.nn.attributes import Attributes
from cnnkit.nn.gradient_hooks import GradientHooks

__all__: list[str] = []


class Hook(NamedTuple):
    """A function that a module calls, and when: before or after forward or backward, or around its state."""

    when: str
    call: Callable
    with_kwargs: bool = False
    always: bool = False


class Hooked(Attributes):
    """The part of `Module` that is called, with its hooks."""

    _hooks: tuple[Hook, ...] = ()  # those of a call
    _state_hooks: tuple[Hook, ...] = ()
    forward: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = self._hooked if self._hooks else self.forward
        if mode.inside:
            return call(*args, **kwargs)
        mode.inside = True
        try:
            inputs = [Tensor(a) if not isinstance(a, Tensor) and is_array(a) else a for a in args]
            return call(*inputs, **kwargs)
        finally:
            mode.inside = False
            if mode.deferred:
                deferral.flush()

    def _hooked(self, *args: Any, **kwargs: Any) -> Any:
        """`forward`, with the hooks before and after it."""
        called: set[int] = set()
        result = None
        try:
            for hook in self._at("before forward"):
                args, kwargs = _before(self, hook, args, kwargs)
            around = self._gradient_hooks()
            args = args if around is None else around.on_inputs(args)
            result = self.forward(*args, **kwargs)
            for hook in self._at("after forward"):
                called.add(id(hook))
                result = _after(self, hook, args, kwargs, result)
            return result if around is None else around.on_outputs(result)
        except Exception:
            for hook in self._at("after forward"):
                if hook.always and id(hook) not in called:
                    _after(self, hook, args, kwargs, result)
            raise

    def _at(self, when: str) -> list[Hook]:
        return [hook for hook in self._hooks if hook.when == when]

    def _gradient_hooks(self) -> GradientHooks | None:
        before, after = self._at("before backward"), self._at("after backward")
        if not (before or after) or not is_grad_enabled():
            return None
        return GradientHooks(self, [hook.call for hook in before], [hook.call for hook in after])

    def _register(self, hook: Hook, prepend: bool = False, registry: str = "_hooks") -> Handle:
        hooks: tuple = getattr(self, registry)
        setattr(self, registry, (hook, *hooks) if prepend else (*hooks, hook))
        return Handle(lambda: setattr(self, registry,
                                      tuple(h for h in getattr(self, registry) if h is not hook)))

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False,
                              always_call: bool = False) -> Handle:
        """Call ``hook(module, inputs, output)`` after every forward; what it returns replaces the output.

        Parameters
        ----------
        hook : callable
            With `with_kwargs` it is called as ``hook(module, inputs, kwargs, output)``.
        prepend : bool
            Before the hooks that there are.
        always_call : bool
            Even where forward raises.
        """
        return self._register(Hook("after forward", hook, with_kwargs, always_call), prepend)

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False,
                                  with_kwargs: bool = False) -> Handle:
        """Call ``hook(module, inputs)`` before every forward; what it returns replaces the inputs.

        With `with_kwargs` it is called as ``hook(module, inputs, kwargs)``, and returns both.
        """
        return self._register(Hook("before forward", hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the inputs are there.

        Both are tuples, with ``None`` for what has no gradient; what it returns replaces `grad_input`.

        >>> import cnnkit
        >>> layer = cnnkit.nn.Linear(1, 1)
        >>> seen = []
        >>> handle = layer.register_full_backward_hook(lambda m, inputs, outputs: seen.append(outputs))
        >>> layer(cnnkit.tensor([[2.0]], requires_grad=True)).sum().backward()
        >>> seen
        [(tensor([[1.]]),)]
        """
        return self._register(Hook("after backward", hook), prepend)

    def register_backward_hook(self, hook: Callable) -> Handle:
        """The same as `register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call ``hook(module, grad_output)`` before the module's backward; what it returns replaces it."""
        return self._register(Hook("before backward", hook), prepend)

    def register_state_dict_pre_hook(self, hook: Callable) -> Handle:
        """Call ``hook(module, prefix, keep_vars)`` before `state_dict` collects the module's own values."""
        return self._register(Hook("before saving", hook), registry="_state_hooks")

    def register_state_dict_post_hook(self, hook: Callable) -> Handle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` when `state_dict` has the values."""
        return self._register(Hook("after saving", hook), registry="_state_hooks")

    def _register_state_dict_hook(self, hook: Callable) -> Handle:
        return self.register_state_dict_post_hook(hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> Handle:
        """Call a hook before `load_state_dict` compares names; it may change the copy of the dict it gets.

        It is called as ``hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)``.
        """
        return self._register(Hook("before loading", hook), registry="_state_hooks")

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> Handle:
        return self.register_load_state_dict_pre_hook(
            hook if with_module else lambda module, *arguments: hook(*arguments))

    def register_load_state_dict_post_hook(self, hook: Callable) -> Handle:
        """Call ``hook(module, incompatible_keys)`` after `load_state_dict`; it may empty the two lists."""
        return self._register(Hook("after loading", hook), registry="_state_hooks")


def _before(module: Any, hook: Hook, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    if hook.with_kwargs:
        changed = hook.call(module, args, kwargs)
        if changed is None:
            return args, kwargs
        if not (isinstance(changed, tuple) and len(changed) == 2):
            raise RuntimeError("forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                               f"but got {changed!r:.60}")
        return changed
    changed = hook.call(module, args)
    if changed is None:
        return args, kwargs
    return changed if isinstance(changed, tuple) else (changed,), kwargs


def _after(module: Any, hook: Hook, args: tuple, kwargs: dict, result: Any) -> Any:
    for tensor in result if isinstance(result, tuple) else (result,):
        if isinstance(tensor, Tensor):
            tensor.array  # noqa: B018 - hooks need computed values
    changed = (hook.call(module, args, kwargs, result) if hook.with_kwargs
               else hook.call(module, args, result))
    return result if changed is None else changed
