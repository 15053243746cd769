"""Functions of Tensors with a gradient of one's own, as ``torch.autograd.Function``."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from cnnkit import backends
from cnnkit.autograd.grad_mode import no_grad
from cnnkit.autograd.tape import FunctionNode, Node, mode
from cnnkit.autograd.traced import Traced
from cnnkit.autograd.value import Value

__all__ = ["Context", "Function", "once_differentiable"]


class Context:
    """What a function's forward leaves for its backward: ``ctx``. It takes any attributes.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        For each argument of ``apply``, whether its gradient is wanted.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]):
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple = ()
        self._saved: list = []
        self._dirty: tuple = ()
        self._constant: tuple = ()
        self._materializes = True
        self._node: Node | None = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep Tensors, the function's inputs and outputs above all, for ``ctx.saved_tensors``."""
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` has kept."""
        return tuple([saved if not isinstance(saved, _Output) else saved.tensor(self._node)
                      for saved in self._saved])

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which inputs forward has changed in place; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros, and not ``None``, for outputs that were not used."""
        self._materializes = value


class _Output:
    """A result that is saved: held without its place on the tape, which would hold the context again."""

    def __init__(self, array: Any, position: int):
        self.array, self.position = array, position

    def tensor(self, node: Node | None) -> Any:
        return Value.result._of(self.array, node if mode.grad else None, self.position)


class _Named:
    """What stands for an op in a node."""

    def __init__(self, name: str):
        self.name = name


class Function:
    """Base of functions with a gradient of one's own.

    A subclass has two static methods, ``forward(ctx, *args)`` and ``backward(ctx, *grad_outputs)``, which
    returns one gradient, or ``None``, for each argument of `apply`. Instead of the context forward may take
    the arguments alone, beside a static method ``setup_context(ctx, inputs, output)``. What backward does
    with Tensors is recorded where the gradient is to be differentiated itself.

    >>> import cnnkit
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         x, = ctx.saved_tensors
    ...         return dy * 3 * x * x
    >>> x = cnnkit.tensor([2.0], requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor([12.])
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs, a Tensor or a tuple."""
        raise NotImplementedError("a Function must define forward(ctx, *args) as a static method")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Fill the context, where forward does not take it."""
        raise NotImplementedError("a Function whose forward takes no ctx must define setup_context()")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return one gradient for each argument of `apply`."""
        raise NotImplementedError("a Function must define backward(ctx, *grad_outputs) as a static method")

    vjp = backward

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the function, and record it where a gradient is wanted."""
        tensors = [argument for argument in args if isinstance(argument, Value)]
        for tensor in tensors:
            tensor.array  # noqa: B018 - a pending result has no place on the tape yet
        needs = tuple(mode.grad and isinstance(a, Value) and a._requires_grad for a in args)
        ctx = Context(needs)
        with no_grad():
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        results = list(output) if isinstance(output, tuple | list) else [output]
        recorded = _record(cls, ctx, args, needs, results)
        return tuple(recorded) if isinstance(output, tuple | list) else recorded[0]


def _record(cls: type[Function], ctx: Context, args: tuple, needs: tuple, results: list) -> list:
    """The results with a node behind them, if one is needed, and what is saved."""
    dirty = [any(x is d for d in ctx._dirty) for x in results]
    arrays = [x.array if isinstance(x, Value) else x for x in results]
    node = None
    if any(needs):
        edges = [(a._source or a) if needed else None for a, needed in zip(args, needs)]
        call: tuple = (_Named(cls.__name__), {}, len(args))
        node = FunctionNode((call,), _on_arrays(cls, ctx, args, arrays), (), (), edges, [], len(results))
        node.again, node.results = _on_traced(cls, ctx, args, arrays, node), tuple(arrays)
    recorded = []
    for position, (x, array) in enumerate(zip(results, arrays)):
        differentiable = (node is not None and isinstance(x, Value)
                          and "float" in backends.dtype_name(x.dtype)
                          and not any(x is c for c in ctx._constant))
        if not isinstance(x, Value):
            recorded.append(x)
        elif dirty[position]:
            if mode.grad and x._requires_grad and x.is_leaf:
                raise RuntimeError(f"{cls.__name__} changed a leaf Tensor that requires a gradient in place")
            x._become(Value.result._of(array, node if differentiable else None, position))
            recorded.append(x)
        else:
            recorded.append(Value.result._of(array, node if differentiable else None, position))
    for saved in ctx._to_save:
        places = [p for p, x in enumerate(results) if x is saved]
        watched = saved
        if places and not any(saved is a for a in args):
            watched, saved = recorded[places[0]], _Output(arrays[places[0]], places[0])
        ctx._saved.append(saved)
        if node is not None and isinstance(watched, Value):
            node.versions.append((watched._version, watched._version[0]))
    ctx._to_save = ()
    return recorded


def _called(cls: type[Function], ctx: Context, args: tuple, arrays: list, dys: list) -> list:
    """The gradients that backward returns, one for each argument, as Tensors or ``None``."""
    given = []
    for dy, array in zip(dys, arrays):
        if dy is None and ctx._materializes and hasattr(array, "dtype"):
            dy = Value.result._of(backends.namespace_of(array).zeros_like(array))
        given.append(dy)
    backward = cls.vjp if cls.vjp is not Function.vjp else cls.backward
    found = backward(ctx, *given)
    gradients = list(found) if isinstance(found, tuple | list) else [found]
    while len(gradients) > len(args) and gradients[-1] is None:
        gradients.pop()
    if len(gradients) != len(args):
        raise RuntimeError(f"{cls.__name__}.backward returned {len(gradients)} gradients for {len(args)} "
                           "arguments; it must return one for each, or None")
    for position, (argument, gradient) in enumerate(zip(args, gradients)):
        if gradient is None or not ctx.needs_input_grad[position]:
            gradients[position] = None
        elif gradient.shape != argument.shape:
            raise RuntimeError(f"{cls.__name__}.backward returned a gradient of shape {gradient.shape} for "
                               f"argument {position}, of shape {argument.shape}")
    return gradients


def _on_arrays(cls: type[Function], ctx: Context, args: tuple, arrays: list) -> Callable:
    def backward(*dys: Any) -> list:
        with no_grad():
            found = _called(cls, ctx, args, arrays, [None if d is None else Value.result._of(d) for d in dys])
        return [None if g is None else g.array for g in found]
    return backward


def _on_traced(cls: type[Function], ctx: Context, args: tuple, arrays: list, node: Node) -> Callable:
    reference = weakref.ref(node)

    def backward(dys: list) -> list:
        ctx._node = reference()
        try:
            found = _called(cls, ctx, args, arrays, [None if d is None else d.tensor for d in dys])
        finally:
            ctx._node = None
        return [None if g is None else Traced(g) for g in found]
    return backward


def once_differentiable(backward: Callable) -> Callable:
    """Decorate a `Function`'s backward whose gradient must not be differentiated again."""
    @functools.wraps(backward)
    def wrapped(ctx: Any, *grad_outputs: Any) -> Any:
        if mode.grad:
            raise RuntimeError("this backward is marked with once_differentiable, so its gradient cannot be "
                               "differentiated: leave create_graph=True out")
        return backward(ctx, *grad_outputs)
    return wrapped
