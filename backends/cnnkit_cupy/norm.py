"""Batch normalisation on a CUDA device. See `cnnkit.ops.norm`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import backend_of, dtype_name
from cnnkit_cupy.launcher import In, Kernel, Out, Struct, contiguous, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any

BY, NORM = Struct("Strides"), Struct("Norm")
for _dtype, _t in TYPES.items():
    _view, _maybe, _out = In(_dtype, strided=True), In(_dtype, optional=True), Out(_dtype, optional=True)
    declare(Kernel("norm", f"batch_norm<{_t}>", (_view, _maybe, _maybe, _maybe, _maybe, Out(_dtype), Out("float32"),
                                                 Out("float32"), _out, _out, BY, NORM), shared=1024),
            Kernel("norm", f"batch_norm_backward<{_t}>", (_view, _view, _maybe, In("float32"), In("float32"), _out, _out, _out,
                                                          BY, BY, NORM), shared=1024),
            ops=("batch_norm",))


def batch_norm(x: Array, weight: Array | None, bias: Array | None, running_mean: Array | None, running_var: Array | None, *,
               needs: Sequence[bool], training: bool, momentum: float, eps: float) -> Any:
    """See `cnnkit.ops.norm.batch_norm`; served are (N, C) and (N, C, H, W) with one dtype throughout."""
    kind, dtype = TYPES.get(dtype_name(x.dtype)), x.dtype
    if kind is None or x.ndim not in (2, 4) or not 0 < x.size < 2**31 - 256:
        return NotImplemented
    if any(a is not None and (a.dtype != dtype or not contiguous(a)) for a in (weight, bias, running_mean, running_var)):
        return NotImplemented
    device, shape, C = backend_of(x).cuda, tuple(x.shape), x.shape[1]
    N, _, H, W = full = (*shape, 1, 1)[:4]
    norm = {"N": N, "C": C, "H": H, "W": W, "training": int(training), "momentum": momentum, "eps": eps}
    y, mean, rstd = device.empty(shape, dtype, x), *(device.empty((C,), "float32", x) for _ in range(2))
    moved = training and running_mean is not None
    new_mean, new_var = (device.empty((C,), dtype, x) if moved else None for _ in range(2))

    def view(array: Array) -> tuple[int, ...]:
        return (*strides(array), 0, 0)[:len(full)]

    launch(device, f"batch_norm<{kind}>", (C, 1, 1), x, weight, bias, running_mean, running_var, y, mean, rstd, new_mean, new_var,
           view(x), norm)

    def backward(dy: Array, *_: None) -> tuple:
        dx = device.empty(shape, dtype, dy) if needs[0] else None
        dweight, dbias = (device.empty((C,), dtype, dy) if needed else None for needed in needs[1:3])
        launch(device, f"batch_norm_backward<{kind}>", (C, 1, 1), x, dy, weight, mean, rstd, dx, dweight, dbias, view(x),
               view(dy), norm)
        return dx, dweight, dbias, None, None
    return (y, new_mean, new_var), backward if any(needs) else None
