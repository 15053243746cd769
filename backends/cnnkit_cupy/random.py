"""Random bits and dropout on a CUDA device: the same draws as everywhere. See `cnnkit.ops.dropout`, `cnnkit.random`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from cnnkit import backends
from cnnkit.backends import backend_of, dtype_name
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, Struct, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
THREADS = 256

declare(Kernel("random", "random_bits", (Out("int32"), Scalar("int64"), Struct("Key"))), ops=("random_bits",))
for _dtype, _t in TYPES.items():
    declare(Kernel("random", f"dropout<{_t}>", (In(_dtype, strided=True), Out(_dtype), Struct("Strides"), Struct("Sizes"),
                                                Scalar("int64"), Struct("Key"), Scalar("uint32"), Scalar("float32"))),
            ops=("dropout",))


def _grid(count: int) -> tuple[int, int, int]:
    """One thread for two elements."""
    return -(-count // (2 * THREADS)), 1, 1


def random_bits(name: str) -> Callable:
    """The kernel ``random_bits`` of the backend called `name`."""
    def kernel(key: tuple[int, int], shape: tuple[int, ...], device: Any) -> Array:
        """See `cnnkit.random.bits`."""
        backend = backends.get(name)
        bits = backend.namespace.empty(shape, dtype=backend.namespace.int32, device=device)
        launch(backend.cuda, "random_bits", _grid(prod(shape)), bits, prod(shape), key)
        return bits
    return kernel


def dropout(x: Array, *, needs: Sequence[bool], p: float, key: tuple[int, int]) -> Any:
    """See `cnnkit.ops.dropout.dropout`."""
    kind = TYPES.get(dtype_name(x.dtype))
    if kind is None or x.ndim > 4:
        return NotImplemented
    device, kept = backend_of(x).cuda, 1 - p
    scale = x.dtype.type(1 / kept if p < 1 else 0.0)

    def dropped(values: Array) -> Array:
        y = device.empty(tuple(values.shape), x.dtype, values)
        missing = 4 - values.ndim
        view, sizes = (0,) * missing + strides(values), (1,) * missing + tuple(values.shape)
        launch(device, f"dropout<{kind}>", _grid(prod(sizes)), values, y, view, sizes[1:], prod(sizes), key, round(kept * 2**24),
               np.float32(scale))
        return y
    return dropped(x), (lambda dy: (dropped(dy),)) if needs[0] else None
