"""Batch normalisation on a CUDA device, alone or with the ReLU behind it. See `cnnkit.ops.norm`.

Sums over the pixels (all n, h, w) are made slice by slice, then over all slices; the number of slices depends
on the shape only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import backend_of, decline, dtype_name
from cnnkit.ops.norm import batch_norm as op
from cnnkit_cupy.chains import then_relu
from cnnkit_cupy.contracts import device_of
from cnnkit_cupy.launcher import Kernel, declare, launch
from cnnkit_cupy.parameters import In, Out, Struct, contiguous, strides
from cnnkit_cupy.types import TYPES, lanes_of, per_access

Array = Any
THREADS, BLOCKS = 256, 1024  # as many blocks as fill any device several times

BY, NORM = Struct("Strides"), Struct("Norm")
for _dtype, _t in TYPES.items():
    _read, _sums, _maybe, _out = (In("float32"), Out("float32"), In(_dtype, optional=True),
                                  Out(_dtype, optional=True))
    declare(Kernel("norm", f"batch_norm_moments<{_t}>",
                   (_read, _read, _maybe, _maybe, _sums, _sums, _out, _out, NORM), shared=4 * THREADS),
            Kernel("norm", f"batch_norm_sums<{_t}>",
                   (_read, _read, _sums, _sums, _out, _out, NORM), shared=8 * THREADS),
            ops=("batch_norm", "relu"))
    for _n in (1, per_access(_dtype)):
        _bytes = 16 if _n > 1 else 0
        _view, _given, _made = (In(_dtype, strided=True, aligned=_bytes),
                                In(_dtype, strided=True, optional=True, aligned=_bytes),
                                Out(_dtype, channels_last=True))
        declare(Kernel("norm", f"batch_norm_slices<{_t}, {_n}>",
                       (_view, _sums, _sums, _sums, BY, NORM), shared=1024 * _n),
                Kernel("norm", f"batch_norm<{_t}, {_n}>",
                       (_view, _maybe, _maybe, _read, _read, _made, BY, NORM)),
                Kernel("norm", f"batch_norm_backward_slices<{_t}, {_n}>",
                       (_view, _view, _given, _read, _read, _sums, _sums, BY, BY, NORM), shared=1024 * _n),
                Kernel("norm", f"batch_norm_backward<{_t}, {_n}>",
                       (_view, _view, _given, _maybe, _read, _read, _read, _read, _made, BY, BY, NORM)),
                ops=("batch_norm", "relu"))


class Layout:
    """How blocks share the pixels and channels of arrays of one shape, `lanes` channels a thread."""

    def __init__(self, shape: Sequence[int], lanes: int):
        pixels, threads = shape[0] * shape[2] * shape[3], -(-shape[1] // lanes)
        self.lanes, self.side = lanes, min(32, 1 << (threads - 1).bit_length())
        self.columns = -(-threads // self.side)
        least = 4 * THREADS // self.side  # four pixels a thread
        self.pixels = max(least, -(-pixels // max(1, BLOCKS // self.columns)))
        self.slices = -(-pixels // self.pixels)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Slices times channels."""
        return self.slices, self.columns, 1

    def fields(self) -> dict[str, int]:
        """The fields of the structure Norm that the layout decides."""
        return {"side": self.side, "pixels": self.pixels, "slices": self.slices}


def _lanes(device: Any, *arrays: Array) -> int:
    """How many channels a thread takes: 16 bytes where all arrays have the channels last, without gaps."""
    return lanes_of(device, *arrays) if all(contiguous(a, channels_last=True) for a in arrays) else 1


def batch_norm(x: Array, weight: Array | None, bias: Array | None,
               running_mean: Array | None, running_var: Array | None, *,
               needs: Sequence[bool], training: bool, momentum: float, eps: float, relu: bool = False) -> Any:
    """See `cnnkit.ops.norm.batch_norm`; it serves arrays of 2 to 4 axes, all of one dtype."""
    cuda_type, dtype, shape = TYPES.get(dtype_name(x.dtype)), x.dtype, tuple(x.shape)
    if (cuda_type is None or x.ndim not in (2, 3, 4) or x.size == 0 or x.size // shape[1] >= 2**30
            or shape[1] >= 2**21):
        return decline(f"{dtype_name(x.dtype)} of shape {shape}")
    if any(a is not None and (a.dtype != dtype or not contiguous(a))
           for a in (weight, bias, running_mean, running_var)):
        return decline("weight, bias or statistics of another dtype, or with gaps in memory")
    backend, (N, C, H, W) = backend_of(x), shape if x.ndim == 4 else (*shape[:2], 1, *shape[2:], 1)[:4]
    device = device_of(backend)

    def image(array: Array) -> Array:
        return array if array.ndim == 4 else array[:, :, None] if array.ndim == 3 else array[:, :, None, None]

    def squeezed(array: Array) -> Array:
        return array[(slice(None), slice(None), 0, 0)[:6 - len(shape)]] if len(shape) < 4 else array
    norm = {"N": N, "C": C, "H": H, "W": W, "training": int(training), "relu": int(relu),
            "momentum": momentum, "eps": eps}
    x = image(x)
    layout = Layout(x.shape, _lanes(device, x))
    fields = {**norm, **layout.fields()}
    mean, rstd = _floats(device, x, 2, C), _floats(device, x, C)  # of the mean: centers, and what is beyond
    means, squares = (_floats(device, x, layout.slices, C) for _ in range(2)) if training else (mean, rstd)
    if training:
        launch(device, f"batch_norm_slices<{cuda_type}, {layout.lanes}>", layout.grid, x, mean,
               means, squares, strides(x), fields)
    moved = training and running_mean is not None
    new_mean, new_var = (device.empty((C,), dtype, x) if moved else None for _ in range(2))
    launch(device, f"batch_norm_moments<{cuda_type}>", (-(-C // 32), 1, 1), means, squares, running_mean,
           running_var, mean, rstd, new_mean, new_var, fields)
    y = device.empty((N, C, H, W), dtype, x, channels_last=True)
    launch(device, f"batch_norm<{cuda_type}, {layout.lanes}>", layout.grid, x, weight, bias, mean,
           rstd, y, strides(x), fields)
    relu_output = y if relu else None

    def backward(dy: Array, *_: None) -> tuple:
        dy = image(dy)
        layout = Layout(x.shape, _lanes(device, x, dy))
        fields, arrays = {**norm, **layout.fields()}, (x, dy, relu_output)
        dy_slices, product_slices = (_floats(device, dy, layout.slices, C) for _ in range(2))
        dy_sum, product_sum = (_floats(device, dy, C) for _ in range(2))
        dweight, dbias = (device.empty((C,), dtype, dy) if needed else None for needed in needs[1:3])
        if training or any(needs[1:3]):
            launch(device, f"batch_norm_backward_slices<{cuda_type}, {layout.lanes}>", layout.grid, *arrays,
                   mean, rstd, dy_slices, product_slices, strides(x), strides(dy), fields)
            launch(device, f"batch_norm_sums<{cuda_type}>", (-(-C // 32), 1, 1), dy_slices, product_slices,
                   dy_sum, product_sum, dweight, dbias, fields)
        dx = None
        if needs[0]:
            dx = device.empty((N, C, H, W), dtype, dy, channels_last=True)
            launch(device, f"batch_norm_backward<{cuda_type}, {layout.lanes}>", layout.grid, *arrays, weight,
                   mean, rstd, dy_sum, product_sum, dx, strides(x), strides(dy), fields)
            dx = squeezed(dx)
        return dx, dweight, dbias, None, None
    return (squeezed(y), new_mean, new_var), backward if any(needs) else None


def _batch_norm_relu(*arguments: Any, relu: bool) -> Any:
    *arrays, needs, attrs = arguments
    return batch_norm(*arrays, needs=needs, **attrs, relu=relu)


batch_norm_relu = then_relu(op, _batch_norm_relu)


def _floats(device: Any, like: Array, *shape: int) -> Array:
    return device.empty(shape, "float32", like)
