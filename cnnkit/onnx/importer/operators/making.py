"""Tensors out of nothing: constants, ranges, and what has a shape of its own."""

from __future__ import annotations

import math

import numpy as np

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.constants import computed_dtype
from cnnkit.onnx.importer.declaration import Floats, Ints, operator
from cnnkit.onnx.importer.host import host, integers, number, room

Array = np.ndarray


@operator("Constant", foldable=True)
def constant(*, value: Array | None = None, value_float: float | None = None,
             value_floats: Floats | None = None, value_int: int | None = None,
             value_ints: Ints | None = None) -> Tensor:
    """The one attribute that is there."""
    given = [(v, dtype) for v, dtype in ((value, None), (value_float, "float32"), (value_floats, "float32"),
                                         (value_int, "int64"), (value_ints, "int64")) if v is not None]
    if len(given) != 1:
        raise ValueError(f"Constant has one value; got {len(given)}")
    content, dtype = given[0]
    return host(list(content) if isinstance(content, tuple) else content, dtype)


@operator("ConstantOfShape", settings="shape", foldable=True)
def constant_of_shape(shape: Tensor, *, value: Array | None = None) -> Tensor:
    wanted = integers(shape)
    assert wanted is not None
    room(wanted)
    one = np.zeros(1, np.float32) if value is None else value
    return host(np.full(wanted, one.reshape(-1)[0], one.dtype))


@operator("Range", settings="start limit delta", foldable=True)
def range_(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    first, end, step = number(start), number(limit), number(delta)
    if step == 0 or not all(map(math.isfinite, (first, end, step))):
        raise ValueError(f"Range needs finite numbers and a step other than 0; got {first}, {end}, {step}")
    count = max(math.ceil((end - first) / step), 0)
    room((count,))
    dtype = start.numpy().dtype
    return host(np.arange(count).astype(dtype) * np.asarray(step, dtype) + np.asarray(first, dtype))


@operator("EyeLike", foldable=True)
def eye_like(x: Tensor, *, dtype: int | None = None, k: int = 0) -> Tensor:
    """Ones on a diagonal, in the shape of a matrix."""
    kind = x.dtype if dtype is None else computed_dtype(dtype)
    rows, columns = x.shape
    place = (T.arange(columns, device=x.device).reshape((1, -1))
             - T.arange(rows, device=x.device).reshape((-1, 1)))
    return (place == max(-rows, min(k, columns))).to(dtype=kind)
