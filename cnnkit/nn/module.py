"""Module, the base of every layer and model, and Parameter, a Tensor that is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from cnnkit import backends
from cnnkit.autograd import Tensor, deferral
from cnnkit.autograd.tape import Handle, mode
from cnnkit.foreign import is_array

__all__ = ["LoadResult", "Module", "Parameter"]


class Parameter(Tensor):
    """A Tensor that is trained: a `Module` that has it as an attribute lists it among its parameters.

    Parameters
    ----------
    data : Tensor or array
        The initial value, taken over without a copy.
    requires_grad : bool
        ``False`` freezes it.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data.detach() if isinstance(data, Tensor) else data, requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class LoadResult(NamedTuple):
    """What `Module.load_state_dict` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of all layers and models: parameters and settings; ``forward`` defines the computation.

    Attributes that are a `Parameter` or a `Module` are its parameters and children; buffers (state that is
    not trained) are named with `register_buffer`. Names, order and meaning of everything are PyTorch's.

    Attributes
    ----------
    training : bool
        Whether dropout drops and batch norm uses its batch's statistics; `train` and `eval` set it.
    input_format : InputFormat or None
        What the module has learnt from, which `cnnkit.train.fit` sets: see `cnnkit.data.InputFormat`.

    >>> from cnnkit import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x)
    >>> [name for name, _ in Net().named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    training: bool = True
    input_format: Any = None
    _buffers: Mapping[str, bool] = {}  # name -> whether the state_dict includes it
    _hooks: tuple[Callable, ...] = ()
    _pre_hooks: tuple[Callable, ...] = ()

    def __init__(self) -> None:
        pass  # a subclass may call it or not: nothing depends on it

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's computation; every subclass defines it."""
        raise NotImplementedError(f"{type(self).__name__} must define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = self._hooked if self._hooks or self._pre_hooks else self.forward
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
        for pre_hook in self._pre_hooks:
            changed = pre_hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        result = self.forward(*args, **kwargs)
        for hook in self._hooks:
            for tensor in result if isinstance(result, tuple) else (result,):
                if isinstance(tensor, Tensor):
                    tensor.array  # noqa: B018 - hooks need computed values
            changed = hook(self, args, result)
            if changed is not None:
                result = changed
        return result

    def __setattr__(self, name: str, value: Any) -> None:
        if (isinstance(vars(self).get(name), Parameter)
                and not (value is None or isinstance(value, Parameter))):
            raise TypeError(f"{type(self).__name__}.{name} is a Parameter, "
                            f"and a {type(value).__name__} in its place would be neither trained nor saved; "
                            "give a nn.Parameter, or change its values with copy_() under no_grad()")
        super().__setattr__(name, value)

    # -- parameters, buffers and children --------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Register a Tensor that is state but is not trained (batch norm's running mean)."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"{type(self).__name__}.register_buffer({name!r}) needs a Tensor or None; "
                            f"got {type(tensor).__name__}")
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, tensor)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Set a parameter as an attribute; ``None`` says that there is none."""
        setattr(self, name, parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """Set a child module as an attribute."""
        setattr(self, name, module)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct children with their names."""
        return ((n, m) for n, m in list(vars(self).items()) if isinstance(m, Module))

    def children(self) -> Iterator[Module]:
        """Direct children."""
        return (m for _, m in self.named_children())

    def named_modules(self, prefix: str = "", _seen: set | None = None) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with dotted names."""
        seen = set() if _seen is None else _seen
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name, seen)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (m for _, m in self.named_modules())

    def _own(self, kind: str) -> Iterator[tuple[str, Tensor]]:
        for name, value in list(vars(self).items()):
            if (isinstance(value, Parameter) if kind == "parameters"
                    else name in self._buffers and value is not None):
                yield name, value

    def _named(self, kind: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Tensor]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in module._own(kind):
                if id(value) not in seen:
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """All parameters, each once, with dotted names."""
        return self._named("parameters", prefix, recurse)  # type: ignore[return-value]

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """All buffers, each once, with dotted names."""
        return self._named("buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, path: str) -> Module:
        """The module at a dotted name; the empty name is this module."""
        module = self
        for name in path.split(".") if path else ():
            child = vars(module).get(name)
            if not isinstance(child, Module):
                raise AttributeError(f"{type(module).__name__} has no submodule "
                                     f"{name!r} (looking for {path!r}); it has "
                                     f"{', '.join(n for n, _ in module.named_children()) or 'none'}")
            module = child
        return module

    # -- the state -------------------------------------------------------------------------------------------

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and persistent buffers in PyTorch's order; shared ones under each of their names."""
        def walk(module: Module, prefix: str) -> Iterator[tuple[str, Tensor]]:
            for kind in ("parameters", "buffers"):
                for name, value in module._own(kind):
                    if kind == "parameters" or module._buffers[name]:
                        yield prefix + name, value
            for name, child in module.named_children():
                yield from walk(child, f"{prefix}{name}.")
        return walk(self, "")

    def state_dict(self) -> dict[str, Tensor]:
        """A copy of every parameter and persistent buffer, by dotted name.

        A snapshot: further training does not change it (PyTorch's shares memory).
        """
        copies = {}
        for name, value in self._state():
            copies[name] = Tensor(backends.backend_of(value.array).asarray(value.array))
        return copies

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy values into the parameters and buffers of the same names.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
            Any library's arrays (a PyTorch ``state_dict`` as it is).
        strict : bool
            Raise if a name is missing or unknown.

        Raises
        ------
        KeyError
            With ``strict``, if names do not match; the message lists them. Nothing has been changed then.
        ValueError
            If a shape does not match; the message lists all that do not. Nothing has been changed then.
        """
        current = dict(self._state())
        missing = [n for n in current if n not in state_dict]
        unexpected = [n for n in state_dict if n not in current]
        if strict and (missing or unexpected):
            raise KeyError(f"{type(self).__name__}.load_state_dict: " + "; ".join(
                f"{problem} {len(names)}: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
                for problem, names in (("missing", missing), ("unexpected", unexpected)) if names)
                + ". Pass strict=False to load the names that match")
        mismatches = [f"{n} is {current[n].shape}, the value {tuple(v.shape)}" for n, v in state_dict.items()
                      if n in current and current[n].shape != tuple(v.shape)]
        if mismatches:
            raise ValueError(f"{type(self).__name__}.load_state_dict: shapes differ: "
                             f"{'; '.join(mismatches[:8])}{'; ...' if len(mismatches) > 8 else ''}")
        recording, mode.grad = mode.grad, False
        try:
            for name, value in state_dict.items():
                if name in current:
                    if not isinstance(value, Tensor):
                        value = Tensor(value)
                    current[name].copy_(value)
        finally:
            mode.grad = recording
        return LoadResult(missing, unexpected)

    # -- changes to all modules ------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode for this module and all below it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode: dropout passes everything, batch norm uses its running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (``False``) or train all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        _zero_grad(self.parameters(), set_to_none)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call `function` with every module, children first."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def to(self, backend: Any = None, dtype: Any = None) -> Self:
        """Move parameters, gradients and buffers to a backend, or convert the floating-point ones, in place.

        >>> from cnnkit import nn
        >>> nn.Linear(2, 1).to(dtype="float64").weight.dtype
        dtype('float64')
        """
        if isinstance(backend, str) and dtype is None and backend in backends.DTYPES:
            backend, dtype = None, backend
        for tensor in (*self.parameters(), *self.buffers()):
            for value in (tensor, tensor.grad):
                if value is not None:
                    new_dtype = dtype if "float" in backends.dtype_name(value.dtype) else None
                    value.rebind(value.detach().to(backend, dtype=new_dtype).array)
        return self

    def float(self) -> Self:
        """Convert to float32, in place."""
        return self.to(dtype="float32")

    def double(self) -> Self:
        """Convert to float64, in place."""
        return self.to(dtype="float64")

    def register_forward_hook(self, hook: Callable) -> Handle:
        """Call ``hook(module, inputs, output)`` after every forward; what it returns replaces the output."""
        self._hooks = (*self._hooks, hook)
        return Handle(lambda: setattr(self, "_hooks", tuple(h for h in self._hooks if h is not hook)))

    def register_forward_pre_hook(self, hook: Callable) -> Handle:
        """Call ``hook(module, inputs)`` before every forward; what it returns replaces the inputs."""
        self._pre_hooks = (*self._pre_hooks, hook)
        return Handle(lambda: setattr(self, "_pre_hooks", tuple(h for h in self._pre_hooks if h is not hook)))

    # -- representation --------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The settings that `repr` shows between the brackets."""
        return ""

    def __repr__(self) -> str:
        lines = [f"  ({name}): " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        return "\n".join([f"{type(self).__name__}({self.extra_repr()}", *lines, ")"])


def _zero_grad(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    for parameter in parameters:
        if set_to_none or parameter.grad is None:
            parameter.grad = None
        else:
            parameter.grad.zero_()
