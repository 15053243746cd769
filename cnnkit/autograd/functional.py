"""Derivatives of functions of Tensors: products with the Jacobian and the Hessian, and these themselves.

The functions have PyTorch's signatures (``torch.autograd.functional``). They leave their inputs, and their
``grad``, as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.differentiation import grad
from cnnkit.autograd.grad_mode import enable_grad
from cnnkit.autograd.value import Value
from cnnkit.ops import shaping

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Any  # a Tensor, or a tuple of them


def _several(name: str, values: Any) -> tuple[bool, tuple]:
    """Whether a tuple was given, and the Tensors."""
    is_tuple = isinstance(values, tuple | list)
    found = tuple(values) if is_tuple else (values,)
    for value in found:
        if not isinstance(value, Value):
            raise TypeError(f"{name} must be a Tensor or a tuple of Tensors; got {type(value).__name__}")
    return is_tuple, found


def _inputs(inputs: Any, create_graph: bool) -> tuple[bool, tuple]:
    """The inputs as Tensors to differentiate with respect to, on the caller's tape where that is wanted."""
    is_tuple, given = _several("inputs", inputs)
    if create_graph:
        return is_tuple, tuple(x.view(x.shape) if x.requires_grad  # type: ignore[attr-defined]
                               else x.detach().requires_grad_() for x in given)  # type: ignore[attr-defined]
    return is_tuple, tuple(x.detach().clone().requires_grad_() for x in given)  # type: ignore[attr-defined]


def _outputs(func: Callable, inputs: tuple) -> tuple[bool, tuple]:
    return _several("outputs of the function", func(*inputs))


def _vectors(v: Any, like: tuple, name: str) -> tuple:
    """One vector for each Tensor, 1 for a single scalar."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"v may be left out only where the {name} is one scalar")
        return (_ones(like[0]),)
    _, vectors = _several("v", v)
    if [x.shape for x in vectors] != [x.shape for x in like]:
        raise RuntimeError(f"v must have the shapes of the {name}, {[x.shape for x in like]}; "
                           f"got {[x.shape for x in vectors]}")
    return vectors


def _ones(x: Any) -> Any:
    return x.detach() * 0 + 1


def _gradients(outputs: Sequence, inputs: tuple, vectors: Sequence | None, create_graph: bool,
               strict: bool) -> tuple:
    """Gradients, zeros where the outputs do not depend on an input."""
    used = [(y, None if vectors is None else v)
            for y, v in zip(outputs, vectors or outputs) if y.requires_grad]
    if not used:
        found: tuple = (None,) * len(inputs)
    else:
        found = grad([y for y, _ in used], inputs, None if vectors is None else [v for _, v in used],
                     retain_graph=True, create_graph=create_graph, allow_unused=True)
    if strict and any(g is None for g in found):
        raise RuntimeError(f"output does not depend on input {found.index(None)}, and strict=True was given")
    return tuple(x.detach() * 0 if g is None else g for x, g in zip(inputs, found))


def _result(is_tuple: bool, tensors: Sequence, create_graph: bool) -> Any:
    tensors = tuple(t if create_graph else t.detach() for t in tensors)
    return tensors if is_tuple else tensors[0]


def vjp(func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False,
        strict: bool = False) -> tuple[Any, ...]:
    """The function's value, and the product of a vector `v` with its Jacobian.

    Parameters
    ----------
    func : callable
        Of Tensors; it returns a Tensor or a tuple of them.
    inputs : Tensor or tuple of Tensor
        Where the derivative is taken.
    v : Tensor or tuple of Tensor, optional
        Of the outputs' shapes; 1 for a scalar.
    create_graph : bool
        Record the computation, so that the results can be differentiated.
    strict : bool
        Raise where an output does not depend on an input, instead of giving zeros.

    >>> import cnnkit
    >>> vjp(lambda x: x * x, cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        is_tuple, xs = _inputs(inputs, create_graph)
        several, ys = _outputs(func, xs)
        products = _gradients(ys, xs, _vectors(v, ys, "output"), create_graph, strict)
    return _result(several, ys, create_graph), _result(is_tuple, products, create_graph)


def jvp(func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False,
        strict: bool = False) -> tuple[Any, ...]:
    """The function's value, and the product of its Jacobian with a vector `v` of the inputs' shapes.

    It is the gradient of the product with a vector, with respect to that vector. Arguments are as for `vjp`.

    >>> import cnnkit
    >>> jvp(lambda x: x * x, cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        _, xs = _inputs(inputs, create_graph)
        vectors = _vectors(v, xs, "input")
        several, ys = _outputs(func, xs)
        directions = tuple(_ones(y).requires_grad_() for y in ys)
        products = _gradients(ys, xs, directions, True, strict)
        found = _gradients(products, directions, vectors, create_graph, strict)
    return _result(several, ys, create_graph), _result(several, found, create_graph)


def jacobian(func: Callable, inputs: Tensors, create_graph: bool = False, strict: bool = False,
             vectorize: bool = False, strategy: str = "reverse-mode") -> Any:
    """All derivatives of a function: of shape (output's shape, input's shape).

    Parameters
    ----------
    func, inputs, create_graph, strict
        As for `vjp`.
    vectorize : bool
        Accepted as PyTorch's, and ignored.
    strategy : str
        ``"reverse-mode"``, one backward pass for each number of the output.

    Returns
    -------
    Tensor or tuple
        One Tensor for one output and one input; a tuple of them for a tuple of inputs or outputs, nested for
        both, the outputs outside.

    >>> import cnnkit
    >>> jacobian(lambda x: x * x, cnnkit.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy != "reverse-mode":
        raise ValueError(f"jacobian takes strategy='reverse-mode'; got {strategy!r}")
    with enable_grad():
        is_tuple, xs = _inputs(inputs, create_graph)
        several, ys = _outputs(func, xs)
        rows = []
        for y in ys:
            flat = y.reshape(-1)
            slopes = [_gradients([flat[i]], xs, None, create_graph, strict) for i in range(y.numel())]
            rows.append(_result(True, [
                apply(shaping.reshape, apply(shaping.concat, *[s[n].reshape(1, -1) for s in slopes], axis=0)
                      if slopes else x.detach().reshape(-1)[:0], shape=(*y.shape, *x.shape))
                for n, x in enumerate(xs)], create_graph))
    found = tuple(row if is_tuple else row[0] for row in rows)
    return found if several else found[0]


def _scalar(func: Callable) -> Callable:
    """A function whose one output is checked to be one number."""
    def checked(*inputs: Any) -> Any:
        several, ys = _outputs(func, inputs)
        if several or ys[0].numel() != 1:
            raise RuntimeError("the Hessian is of a function with one output of one number; got shapes "
                               f"{[y.shape for y in ys]}")
        return ys[0].reshape(())
    return checked


def hessian(func: Callable, inputs: Tensors, create_graph: bool = False, strict: bool = False,
            vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode") -> Any:
    """All second derivatives of a function whose result is one number.

    Arguments are as for `jacobian`. For a tuple of inputs the result is a tuple of tuples.

    >>> import cnnkit
    >>> hessian(lambda x: (x ** 3).sum(), cnnkit.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    def slope(*xs: Any) -> Any:
        is_tuple = isinstance(inputs, tuple | list)
        return jacobian(_scalar(func), xs if is_tuple else xs[0], create_graph=True, strict=strict)
    return jacobian(slope, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def vhp(func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False,
        strict: bool = False) -> tuple[Any, ...]:
    """The value of a function whose result is one number, and the product of `v` with its Hessian.

    >>> import cnnkit
    >>> vhp(lambda x: (x ** 3).sum(), cnnkit.tensor([1.0, 2.0]), cnnkit.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        is_tuple, xs = _inputs(inputs, create_graph)
        vectors = _vectors(v, xs, "input")
        y = _scalar(func)(*xs)
        slopes = _gradients([y], xs, None, True, strict)
        products = _gradients(slopes, xs, vectors, create_graph, strict)
    return _result(False, [y], create_graph), _result(is_tuple, products, create_graph)


def hvp(func: Callable[..., Any], inputs: Tensors, v: Tensors | None = None, create_graph: bool = False,
        strict: bool = False) -> tuple[Any, ...]:
    """`vhp`, because a Hessian is symmetric; PyTorch has both names."""
    return vhp(func, inputs, v, create_graph, strict)
