"""Differentiable: what a Value does with gradients: ask for them, run backward, keep them, and hooks."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from cnnkit import backends
from cnnkit.autograd import deferral, tape
from cnnkit.autograd.tape import Handle, Node, mode, run_backward

if TYPE_CHECKING:
    from cnnkit.autograd.value import Value

__all__ = ["Differentiable"]

Array = Any


class Differentiable:
    """The base of `Value` with its gradient.

    `_grad` is the gradient's array as backward left it, until somebody reads `grad`: then it is a Tensor.
    """

    __slots__ = ("__weakref__", "_grad", "_hooks", "_requires_grad")
    result: ClassVar[type[Value]]  # the class of ops' results: Tensor, set where that subclass is defined
    _grad: Any
    if TYPE_CHECKING:  # what `Value` has besides
        _source: tuple[Node, int] | None
        _link: deferral.Link | None
        _value: Array
        _hooks: list[Callable] | None
        @property
        def array(self) -> Array: ...
        @property
        def shape(self) -> tuple[int, ...]: ...
        @property
        def dtype(self) -> backends.dtype: ...
        @property
        def backend(self) -> str: ...
        @property
        def is_leaf(self) -> bool: ...
        def numel(self) -> int: ...
        def _backend(self) -> backends.Backend: ...

    @property
    def requires_grad(self) -> bool:
        """Whether what is done with this Tensor is recorded; it can be set on a leaf of floats."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        if not isinstance(requires_grad, bool):
            raise RuntimeError("requires_grad must be True or False; "
                               f"got {type(requires_grad).__name__}: {requires_grad!r:.60}")
        if not self.is_leaf:
            raise RuntimeError("requires_grad can be set on a leaf only, and this Tensor is the result of a "
                               "recorded op; for its values without tape use detach()")
        self.requires_grad_(requires_grad)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Record (or no longer record) what is done with this leaf from now on.

        Raises
        ------
        RuntimeError
            If this Tensor is not of floats, or is to be switched off although it is no leaf.
        """
        if not isinstance(requires_grad, bool):
            raise TypeError("requires_grad_() needs True or False; "
                            f"got {type(requires_grad).__name__}: {requires_grad!r:.60}")
        if requires_grad and "float" not in backends.dtype_name(self.dtype):
            raise RuntimeError("only floating-point Tensors can require a gradient; this one is "
                               f"{backends.dtype_name(self.dtype)}")
        if not self.is_leaf and not requires_grad:
            raise RuntimeError("requires_grad can be switched off on a leaf only; use detach()")
        self._requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Any:
        """The gradient that ``backward()`` added up, or ``None``; one that is set must fit this Tensor."""
        grad = self._grad
        if grad is not None and not isinstance(grad, Differentiable):
            grad = self._grad = self.result._of(grad)
        return grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is not None:
            if not isinstance(grad, Differentiable):
                raise TypeError(f"grad must be a Tensor or None; got {type(grad).__name__}")
            if grad is self:
                raise RuntimeError("a Tensor cannot be its own grad; give a copy, clone().detach()")
            expected, given = ((v.shape, backends.dtype_name(v.dtype), v.backend) for v in (self, grad))
            if expected != given:
                raise RuntimeError("grad must have its Tensor's shape, dtype and backend, "
                                   f"{' '.join(map(str, expected))}; got {' '.join(map(str, given))}")
        self._grad = grad

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add the gradients to the leaves' ``grad``; see `Tensor.backward`."""
        if not self._requires_grad:
            raise RuntimeError("backward() on a Tensor that requires no gradient: nothing it was made from "
                               "has requires_grad=True, or it was made under no_grad()")
        dy = self._first_gradient(gradient)
        with backends.on(dy):
            if self._source is None:
                self._receive(dy)
            else:
                run_backward(*self._source, dy, retain_graph)

    def _first_gradient(self, gradient: Any) -> Array:
        """The array that a backward pass begins with: 1 for a scalar."""
        array = self.array
        if gradient is not None:
            return self._checked_gradient(gradient, "backward() got a gradient")
        shape = array.shape
        if shape and self.numel() != 1:
            raise RuntimeError("backward() without a gradient needs a scalar; this Tensor has shape "
                               f"{self.shape}. Reduce it first (.sum(), .mean()), or pass gradient=")
        backend = backends.backend_of(array)
        dy = backend.one(array)
        dy = backend.namespace.broadcast_to(dy, shape) if shape else dy
        if mode.recorder is not None:
            mode.recorder.constant(dy)
        return dy

    def _checked_gradient(self, gradient: Any, message: str) -> Array:
        """A gradient given by the user: checked for shape and backend, in this Tensor's dtype."""
        backend = self._backend()
        dy = (gradient.array if isinstance(gradient, Differentiable)
              else backend.asarray(gradient, self.dtype, getattr(self.array, "device", None)))
        if tuple(dy.shape) != self.shape:
            raise ValueError(f"{message} of shape {tuple(dy.shape)} for a Tensor of shape {self.shape}")
        if backends.backend_of(dy) is not backend:
            raise TypeError(f"{message} of backend {backends.backend_of(dy).name!r} for a Tensor of "
                            f"{backend.name!r}; move it with Tensor.to({backend.name!r})")
        return dy if self.dtype == dy.dtype else backend.namespace.astype(dy, backend.dtype(self.dtype))

    def _receive(self, dx: Array) -> None:
        """Add the whole gradient of one backward pass to this leaf's ``grad``."""
        for hook in self._hooks or ():
            dx = hook(dx)
        self._add_grad(dx)

    def _add_grad(self, dx: Array) -> None:
        with tape.adding:
            self._add_grad_alone(dx)

    def _add_grad_alone(self, dx: Array) -> None:  # `tape.adding` is held
        grad = self._grad
        if grad is not None:  # never in place: the arrays may be read-only, or be others' gradients too
            dx = tape.added(grad.array if isinstance(grad, Differentiable) else grad, dx)
        if type(dx) is not type(self._value):  # some libraries make scalars of 0-d arrays
            dx = self._backend().namespace.asarray(dx)
        self._grad = dx

    def _recorded_source(self, caller: str) -> tuple[Node, int]:
        if not self.requires_grad:
            raise RuntimeError(f"{caller} on a Tensor that requires no gradient")
        link = self._link
        passed = link is not None and link.status == deferral.PASSED
        self.array  # noqa: B018 - a hook breaks the chain here
        assert self._source is not None
        if passed or self._source[0].detour:
            raise RuntimeError(f"{caller} on a result in the middle of a chain that "
                               "a fused kernel has already run: no gradient comes back through it. "
                               f"Call {caller} right after the op that makes it, before it is used")
        return self._source

    def register_hook(self, hook: Callable[[Any], Any]) -> Handle:
        """Call `hook` with this Tensor's gradient in every backward; a Tensor that it returns replaces it."""
        shape, dtype = self.shape, self.dtype

        def on_array(dy: Any) -> Any:
            recorded = isinstance(dy, Differentiable)  # of a pass with create_graph=True
            changed = hook(dy if recorded else self.result._of(dy))
            if changed is None:
                return dy
            if not isinstance(changed, Differentiable) or changed.shape != shape:
                returned = changed.shape if isinstance(changed, Differentiable) else type(changed).__name__
                raise ValueError(f"a gradient hook must return a Tensor of shape {shape} or None; "
                                 f"it returned {returned}")
            if recorded:
                return changed
            array = changed.array
            backend = backends.backend_of(array)
            return array if dtype == array.dtype else backend.namespace.astype(array, backend.dtype(dtype))
        if self.is_leaf:
            if not self.requires_grad:
                raise RuntimeError("register_hook on a Tensor that requires no gradient")
            hooks = self._hooks = self._hooks or []
        else:
            node, position = self._recorded_source("register_hook()")
            node.hooks = node.hooks or {}
            hooks = node.hooks.setdefault(position, [])
        hooks.append(on_array)
        return Handle(lambda: hooks.remove(on_array))

    def retain_grad(self) -> None:
        """Keep the gradient of this result of an op in ``grad``, as leaves do."""
        if not self._requires_grad:
            raise RuntimeError("retain_grad() on a Tensor that requires no gradient")
        if not self.is_leaf:
            node, position = self._recorded_source("retain_grad()")
            node.retain = node.retain or {}
            node.retain[position] = weakref.ref(self)
