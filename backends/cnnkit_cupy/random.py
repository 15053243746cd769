"""Random bits and dropout on a CUDA device: the same draws as on every backend. See `cnnkit.random`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from cnnkit import backends
from cnnkit.backends import backend_of, decline, dtype_name
from cnnkit_cupy.contracts import cuda_of, device_of
from cnnkit_cupy.launcher import Kernel, declare, launch
from cnnkit_cupy.parameters import In, Out, Scalar, Struct, contiguous, strides
from cnnkit_cupy.pool import index_type
from cnnkit_cupy.recording import current
from cnnkit_cupy.types import TYPES, other_dtype, per_access

Array = Any
THREADS = 256

KEY, KEPT, THERE = Struct("Key"), Struct("Kept"), In("uint32", optional=True)
declare(Kernel("random", "random_bits", (Out("int32"), Scalar("int64"), KEY)), ops=("random_bits",))
for _dtype, _t in TYPES.items():
    declare(Kernel("random", f"dropout<{_t}, {per_access(_dtype)}>",
                   (In(_dtype), THERE, Out(_dtype), Scalar("int64"), KEY, KEPT)),
            *(Kernel("random", f"dropout_images<{_t}, {_i}>",
                     (In(_dtype, strided=True), THERE, Out(_dtype, channels_last=True),
                      Struct("Strides"), Struct("Sizes"), KEY, KEPT)) for _i in ("int", "long long")),
            ops=("dropout",))


def _grid(count: int, per_thread: int = 1) -> tuple[int, int, int]:
    """The grid for `count` elements, `per_thread` to a thread."""
    return -(-count // (per_thread * THREADS)), 1, 1


def random_bits(name: str) -> Callable:
    """The kernel ``random_bits`` of the backend called `name`."""
    def kernel(key: tuple[int, int], shape: tuple[int, ...], device: Any) -> Array:
        """See `cnnkit.random.bits`."""
        if current() is not None:
            raise RuntimeError("a recorded step draws random numbers, which every replay would repeat: draw "
                               "them before it. Dropout alone is drawn anew")
        backend = backends.get(name)
        bits = backend.namespace.empty(shape, dtype=backend.namespace.int32, device=device)
        launch(device_of(backend), "random_bits", _grid(prod(shape), 2), bits, prod(shape), key)
        return bits
    return kernel


def dropout(x: Array, *, needs: Sequence[bool], p: float, key: tuple[int, int]) -> Any:
    """See `cnnkit.ops.dropout.dropout`; images keep the channels last in memory."""
    if dtype_name(x.dtype) not in TYPES:
        return decline(other_dtype(x))
    kept = round((1 - p) * 2**24), float(x.dtype.type(1 / (1 - p) if p < 1 else 0.0))
    stored = None if (recording := current()) is None else recording.key(key)
    return (_dropped(x, stored, key, kept),
            (lambda dy: (_dropped(dy, stored, key, kept),)) if needs[0] else None)


def _dropped(x: Array, stored: Array | None, key: tuple[int, int], kept: tuple[int, float]) -> Array:
    """What is kept of x; the key is read from `there` unless it is ``None``."""
    device, reshape, shape, dtype = (cuda_of(x), backend_of(x).namespace.reshape,
                                     tuple(x.shape), dtype_name(x.dtype))
    if x.ndim != 4 and contiguous(x) and (x.size == 0 or device.address(x) % 16 == 0):
        y, lanes = device.empty(shape, x.dtype, x), per_access(dtype)
        launch(device, f"dropout<{TYPES[dtype]}, {lanes}>", _grid(x.size, lanes), x, stored, y, x.size,
               key, kept)
        return y
    if x.ndim == 3 or x.ndim > 4:
        x = reshape(x, (-1,))
    missing = 4 - x.ndim  # a matrix of any strides is an image of one channel
    n, *size = (1,) * missing + tuple(x.shape)
    y = device.empty((n, *size), x.dtype, x, channels_last=True)
    count = n * size[0] * -(-size[1] * size[2] // 2)
    launch(device, f"dropout_images<{TYPES[dtype]}, {index_type((n, *size))}>", _grid(count), x, stored, y,
           (0,) * missing + strides(x), (*size, count), key, kept)
    return reshape(y, shape) if missing else y
