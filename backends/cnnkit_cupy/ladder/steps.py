"""The steps' kernels: what they take, and how each step launches them.

They are in the launcher's table only inside a ``with declared():`` block, so that the table, and docs/gpu.md
with it, lists what the library uses and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnnkit.ops import OPS
from cnnkit.ops.core import Call
from cnnkit_cupy import conv_relu_pool
from cnnkit_cupy.launcher import KERNELS, In, Kernel, Out, Struct, declare, launch

__all__ = ["CONV", "FILES", "POOL", "SHIPPED", "STEPS", "declared"]

Array = Any
Run = Callable[[Any, Array, Array, Array], Array]

FOLDER = Path(__file__).parent
FILES = "1_naive.cu", "2_tiled.cu", "3_fused.cu", "relu_pool.cu"
FLOATS, RESULTS = In("float32"), Out("float32")
SIDE, FILTERS = 32, 4  # outputs of a block, as in 2_tiled.cu and 3_fused.cu
ROOM = 4 * ((SIDE + 2) ** 2 + 9 * FILTERS)  # bytes of shared memory
SHIPPED = "cnnkit_cupy"
LAUNCHED_BY = ("conv", "relu", "max_pool")
CONV: dict[str, Any] = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL: dict[str, Any] = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
                        "dilation": (1, 1), "ceil_mode": False}
CALLS = [Call(OPS["conv"], CONV, 3), Call(OPS["relu"], {}, 0), Call(OPS["max_pool"], POOL, 0)]


def kernels(folder: Path) -> list[Kernel]:
    """The kernels of the files in a folder: the ladder's own, or a copy that somebody changes."""
    convolution = (FLOATS, FLOATS, FLOATS, RESULTS, Struct("Sizes"))
    return [Kernel(str(folder / "1_naive"), "naive_conv2d", convolution),
            Kernel(str(folder / "2_tiled"), "tiled_conv2d", convolution, shared=ROOM),
            Kernel(str(folder / "3_fused"), "fused_conv2d_relu_max_pool2d", convolution, shared=ROOM),
            Kernel(str(folder / "relu_pool"), "relu_max_pool2d", (FLOATS, RESULTS, Struct("Pooled")))]


@contextmanager
def declared(folder: Path = FOLDER) -> Iterator[None]:
    """Inside the block, `launch` knows the ladder's kernels."""
    chosen = kernels(folder)
    declare(*chosen, ops=LAUNCHED_BY)
    try:
        yield
    finally:
        for kernel in chosen:
            del KERNELS[kernel.name]


def sizes(x: Array, weight: Array) -> tuple[int, ...]:
    """The structure Sizes: N, C, H, W, K."""
    return (*x.shape, len(weight))


def pooled(device: Any, activation: Array) -> Array:
    """ReLU and max pooling of the full-size activation."""
    n, k, h, w = activation.shape
    y = device.empty((n, k, h // 2, w // 2), activation.dtype, activation)
    launch(device, "relu_max_pool2d", (-(-y.size // 256), 1, 1), activation, y, (n * k, h, w))
    return y


def naive(device: Any, x: Array, weight: Array, bias: Array) -> Array:
    """Step 1: a thread for each output; then the pooling."""
    activation = device.empty((x.shape[0], len(weight), *x.shape[2:]), x.dtype, x)
    grid = -(-activation.size // 256), 1, 1
    launch(device, "naive_conv2d", grid, x, weight, bias, activation, sizes(x, weight))
    return pooled(device, activation)


def tiles(x: Array, weight: Array) -> tuple[int, int, int]:
    """A grid of a block for each tile of each image and each four filters."""
    n, _, h, w = x.shape
    return n * -(-h // SIDE) * -(-w // SIDE), -(-len(weight) // FILTERS), 1


def tiled(device: Any, x: Array, weight: Array, bias: Array) -> Array:
    """Step 2: a block for each tile; then the pooling."""
    activation = device.empty((x.shape[0], len(weight), *x.shape[2:]), x.dtype, x)
    launch(device, "tiled_conv2d", tiles(x, weight), x, weight, bias, activation, sizes(x, weight))
    return pooled(device, activation)


def fused(device: Any, x: Array, weight: Array, bias: Array) -> Array:
    """Step 3: one launch for all of it."""
    n, _, h, w = x.shape
    y = device.empty((n, len(weight), h // 2, w // 2), x.dtype, x)
    launch(device, "fused_conv2d_relu_max_pool2d", tiles(x, weight), x, weight, bias, y, sizes(x, weight))
    return y


def shipped(device: Any, x: Array, weight: Array, bias: Array) -> Array:
    """What the library itself launches for the three ops."""
    y, _ = conv_relu_pool.conv2d_relu_max_pool2d(x, weight, bias, needs=(False,) * 3, calls=CALLS)
    return y


STEPS: dict[str, Run] = {"1_naive.cu": naive, "2_tiled.cu": tiled, "3_fused.cu": fused, SHIPPED: shipped}
