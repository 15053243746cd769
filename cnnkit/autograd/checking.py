"""Whether gradients are right: compared with differences of the function's values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cnnkit import random
from cnnkit.autograd.differentiation import grad
from cnnkit.autograd.grad_mode import enable_grad
from cnnkit.autograd.value import Value

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A gradient is not what the function's values say."""


def gradcheck(func: Callable, inputs: Any, *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
              raise_exception: bool = True, nondet_tol: float = 0.0) -> bool:
    """Compare a function's gradients with central differences.

    Parameters
    ----------
    func : callable
        Of Tensors and other values; it returns a Tensor or a tuple of them.
    inputs : Tensor or tuple
        Its arguments; those that require a gradient are checked. They should be of float64.
    eps : float
        How far each number is moved.
    atol, rtol : float
        How far the gradients may be from the differences.
    raise_exception : bool
        Raise where they are further; otherwise return ``False``.
    nondet_tol : float
        How far the gradients of two passes may be from each other.

    Raises
    ------
    GradcheckError
        A RuntimeError: where a gradient is wrong; it names the input and the place.

    >>> import cnnkit
    >>> x = cnnkit.tensor([0.5, 2.0], dtype="float64", requires_grad=True)
    >>> gradcheck(lambda x: x.exp() * x, x)
    True
    """
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    checked = [n for n, x in enumerate(given) if isinstance(x, Value) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck() needs an input that requires a gradient")
    try:
        _check(func, given, checked, eps, atol, rtol, nondet_tol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(func: Callable, given: tuple, checked: list[int], eps: float, atol: float, rtol: float,
           nondet_tol: float) -> None:
    for o, output in enumerate(_differentiable(func(*given))):
        analytic, again = (_slopes(output, [given[n] for n in checked]) for _ in range(2))
        for n, slopes, repeated in zip(checked, analytic, again):
            numeric = _differences(func, given, n, o, eps)
            for column, (mine, second, expected) in enumerate(zip(slopes, repeated, numeric)):
                for row, (a, b, c) in enumerate(zip(mine, second, expected)):
                    where = f"output {o}, number {row}, with respect to input {n}, number {column},"
                    if not _are_close(a, b, nondet_tol, 0.0):
                        raise GradcheckError(f"the gradient of {where} is {a:.6g}, and {b:.6g} the next time")
                    if not _are_close(a, c, atol, rtol):
                        raise GradcheckError(f"the gradient of {where} is {a:.6g}, and the differences of "
                                             f"the values say {c:.6g}")


def _are_close(a: float, b: float, atol: float, rtol: float) -> bool:
    return a == b or abs(a - b) <= atol + rtol * abs(b) or (math.isnan(a) and math.isnan(b))


def _differentiable(outputs: Any) -> list:
    found = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    return [y for y in found if isinstance(y, Value) and y.requires_grad]


def _numbers(x: Any) -> list[float]:
    return [float(n) for n in x.numpy().reshape(-1)]


def _slopes(output: Any, inputs: list) -> list[list[list[float]]]:
    """For each input and each number of it, the derivative of every number of the output."""
    rows = []
    flat = output.reshape(-1)
    for row in range(output.numel()):
        found = grad(flat[row], inputs, retain_graph=True, allow_unused=True)
        rows.append([[0.0] * x.numel() if g is None else _numbers(g) for x, g in zip(inputs, found)])
    return [[[row[n][column] for row in rows] for column in range(x.numel())] for n, x in enumerate(inputs)]


def _differences(func: Callable, given: tuple, n: int, o: int, eps: float) -> list[list[float]]:
    """The derivatives of output `o` with respect to input `n`, from values on both sides of it."""
    x = given[n]

    def at(place: int, step: float) -> list[float]:
        moved = x.numpy().astype("float64")  # a copy
        moved.reshape(-1)[place] += step
        changed = Value.result(x._backend().asarray(moved, x.dtype)).requires_grad_()
        return _numbers(_differentiable(func(*[changed if i == n else v for i, v in enumerate(given)]))[o])
    return [[(after - before) / (2 * eps) for after, before in zip(at(place, eps), at(place, -eps))]
            for place in range(x.numel())]


def gradgradcheck(func: Callable, inputs: Any, grad_outputs: Any = None, *, eps: float = 1e-6,
                  atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True,
                  nondet_tol: float = 0.0) -> bool:
    """Compare the gradients of a function's gradients with central differences.

    Arguments are as for `gradcheck`; `grad_outputs`, one for each output that has a gradient, are by default
    numbers between 0.5 and 1.5.

    >>> import cnnkit
    >>> x = cnnkit.tensor([0.5, 2.0], dtype="float64", requires_grad=True)
    >>> gradgradcheck(lambda x: x.exp() * x, x)
    True
    """
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    outputs = _differentiable(func(*given))
    if grad_outputs is None:
        grads = [Value.result(random.uniform_between(random.key(n), y.shape, 0.5, 1.5, y.dtype, like=y.array))
                 .requires_grad_() for n, y in enumerate(outputs)]
    else:
        grads = list(grad_outputs) if isinstance(grad_outputs, tuple | list) else [grad_outputs]

    def gradients(*arguments: Any) -> tuple:
        inner, vectors = arguments[:len(given)], arguments[len(given):]
        with enable_grad():
            wanted = [x for x in inner if isinstance(x, Value) and x.requires_grad]
            found = grad(_differentiable(func(*inner)), wanted, list(vectors), create_graph=True,
                         allow_unused=True)
        return tuple(g for g in found if g is not None and g.requires_grad)
    if not gradients(*given, *grads):
        return True  # what is linear has second derivatives of 0
    return gradcheck(gradients, (*given, *grads), eps=eps, atol=atol, rtol=rtol,
                     raise_exception=raise_exception, nondet_tol=nondet_tol)
