"""Products of matrices."""

from __future__ import annotations

import cnnkit.autograd.functions as T
from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator


@operator("Gemm")
def gemm(a: Tensor, b: Tensor, c: Tensor | None = None, *, alpha: float = 1.0, beta: float = 1.0,
         transA: int = 0, transB: int = 0) -> Tensor:
    """``alpha a b + beta c``, where a and b may be transposed first."""
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"Gemm takes two matrices; got shapes {a.shape} and {b.shape}")
    if transA:
        a = a.transpose(0, 1)
    exact = a.is_floating_point() and b.is_floating_point()
    if exact and alpha == beta == 1 and (c is None or c.shape == (b.shape[0 if transB else 1],)):
        return F.linear(a, b if transB else b.transpose(0, 1), c)
    y = T.matmul(a, b.transpose(0, 1) if transB else b)
    y = y if alpha == 1 else (y * alpha).to(dtype=a.dtype)
    return y if c is None else y + (c if beta == 1 else (c * beta).to(dtype=c.dtype))


@operator("MatMul")
def matmul(a: Tensor, b: Tensor) -> Tensor:
    return T.matmul(a, b)


@operator("Einsum")
def einsum(*values: Tensor, equation: str) -> Tensor:
    return T.einsum(equation, *values)
