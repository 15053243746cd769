"""New Tensors of numbers in order: ranges, the identity, the places of a triangle.

All take PyTorch's ``dtype=``, ``device=`` and ``requires_grad=``, and ``backend=``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd.functions.placing import make
from cnnkit.autograd.value import Value

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["arange", "eye", "linspace", "logspace", "tril_indices", "triu_indices"]


def arange(start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False, backend: Any = None) -> Tensor:
    """The numbers from `start` up to `end`, which is left out; ``arange(end)`` starts at 0.

    Whole numbers give int64, others the default dtype.

    Raises
    ------
    RuntimeError
        If `step` is 0, or leads away from `end`.

    >>> import cnnkit
    >>> cnnkit.arange(3), cnnkit.arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1. , 1.5]))
    """
    if end is None:
        start, end = 0, start
    start, end, step = (v.item() if isinstance(v, Value) else v for v in (start, end, step))
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"arange needs a step, not 0, that leads from start to end; got start={start}, "
                           f"end={end}, step={step}")
    whole = all(isinstance(v, int) for v in (start, end, step))
    if dtype is None:
        dtype = "int64" if whole else backends.get_default_dtype()
    kind, count = backends.dtype(dtype).kind, math.ceil((end - start) / step)
    if kind == "int" and whole:
        return make(lambda xp, **kwargs: xp.arange(start, end, step, **kwargs), dtype, device, backend,
                    requires_grad)

    def multiples(xp: Any, dtype: Any, **placement: Any) -> Any:
        wide = backends.backend_of(xp.zeros(0, **placement)).dtype("float64")
        return xp.astype(xp.arange(count, dtype=wide, **placement) * float(step) + float(start), dtype)
    return make(multiples, dtype, device, backend, requires_grad)


def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, backend: Any = None) -> Tensor:
    """`steps` numbers from `start` to `end`, both among them, at equal distances.

    >>> import cnnkit
    >>> cnnkit.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    start, end = (v.item() if isinstance(v, Value) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError(f"linspace needs steps, 0 or more; got {steps}")
    dtype = dtype or backends.get_default_dtype()
    if backends.dtype(dtype).kind != "float":
        def rounded_down(xp: Any, dtype: Any, **placement: Any) -> Any:
            return xp.astype(xp.linspace(float(start), float(end), steps, **placement), dtype)
        return make(rounded_down, dtype, device, backend, requires_grad)
    return make(lambda xp, **kwargs: xp.linspace(float(start), float(end), steps, **kwargs), dtype, device,
                backend, requires_grad)


def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False, backend: Any = None) -> Tensor:
    """`base` to the powers of `linspace`.

    >>> import cnnkit
    >>> cnnkit.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    start, end = (v.item() if isinstance(v, Value) else v for v in (start, end))

    def powers(xp: Any, dtype: Any, **placement: Any) -> Any:
        return xp.astype(float(base) ** xp.linspace(float(start), float(end), steps, **placement), dtype)
    return make(powers, dtype or backends.get_default_dtype(), device, backend, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        backend: Any = None) -> Tensor:
    """Ones on the diagonal of a matrix (n, m), or (n, n), and zeros elsewhere.

    >>> import cnnkit
    >>> cnnkit.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return make(lambda xp, **kwargs: xp.eye(n, m, **kwargs), dtype or backends.get_default_dtype(), device,
                backend, requires_grad)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = "int64", device: Any = None,
                 backend: Any = None) -> Tensor:
    """Rows and columns (2, n) of the lower triangle of a matrix, row by row.

    >>> import cnnkit
    >>> cnnkit.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    return _triangle(row, col, lambda i, j: j <= i + offset, dtype, device, backend)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = "int64", device: Any = None,
                 backend: Any = None) -> Tensor:
    """Rows and columns (2, n) of the upper triangle of a matrix, row by row.

    >>> import cnnkit
    >>> cnnkit.triu_indices(2, 2)
    tensor([[0, 0, 1],
            [0, 1, 1]])
    """
    return _triangle(row, col, lambda i, j: j >= i + offset, dtype, device, backend)


def _triangle(row: int, col: int, inside: Any, dtype: Any, device: Any, backend: Any) -> Tensor:
    def positions(xp: Any, dtype: Any, **placement: Any) -> Any:
        i = xp.reshape(xp.arange(row, **placement), (row, 1))
        j = xp.reshape(xp.arange(col, **placement), (1, col))
        return xp.astype(xp.stack(xp.nonzero(xp.broadcast_to(inside(i, j), (row, col)))), dtype)
    return make(positions, dtype, device, backend, False)
