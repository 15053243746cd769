"""The dense layer on a CUDA device, alone and with ReLU: one launch each way. See `cnnkit.ops.linear`.

The sums of a product are cut into slices where there are few tiles, by shapes only, so that bits repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from cnnkit.backends import Call, backend_of, decline, dtype_name
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import Kernel, SteadyLaunch, declare, planned
from cnnkit_cupy.parameters import In, Out, Struct, contiguous
from cnnkit_cupy.types import TYPES

Array = Any
TILE = 64         # rows and columns of a block's tile, as in linear.cu
BLOCKS = 128      # that slices fill a device with
SHORTEST = 64     # elements of the depth that a slice has at least
LIMIT = 2**31 - 2**16
SHARED = 2 * 16 * (TILE + 4) * 4 + 16  # bytes of LinearRoom

for _dtype, _t in TYPES.items():
    _in, _maybe, _out = In(_dtype), In(_dtype, optional=True), Out(_dtype, optional=True)
    _last = Out("float32", optional=True), Out("uint32", optional=True), Struct("Linear")
    declare(Kernel("linear", f"linear_forward<{_t}>", (_in, _in, _maybe, Out(_dtype), *_last), shared=SHARED),
            Kernel("linear", f"linear_backward<{_t}>",
                   (_maybe, _maybe, _maybe, _in, _out, _out, _out, *_last), shared=SHARED,
                   launch_bounds=(256, 2)),
            ops=("linear", "relu"))


def linear(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool]) -> Any:
    """x @ weight.T + bias."""
    return _linear(x, weight, bias, needs, False)


def linear_chain(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool],
                 calls: Sequence[Call]) -> Any:
    """``linear``, then ReLU."""
    if [call.op.name for call in calls] != ["linear", "relu"]:
        return decline("it serves linear with ReLU")
    return _linear(x, weight, bias, needs, True)


def slices(tiles: int, depth: int) -> tuple[int, int]:
    """How many slices a product of so many tiles has, and how deep each is.

    >>> slices(1, 1568), slices(25, 32), slices(1, 32)
    ((25, 64), (1, 32), (1, 32))
    """
    count = max(1, min(BLOCKS // tiles, -(-depth // SHORTEST)))
    length = -(-depth // (16 * count)) * 16  # whole parts of a tile
    return -(-depth // length), min(length, depth)


def _tiles(rows: int, columns: int) -> int:
    return -(-rows // TILE) * -(-columns // TILE)


def dense(array: Array) -> Array:
    """The array without gaps, in C order."""
    if contiguous(array):
        return array
    xp = backend_of(array).namespace
    row = xp.reshape(array, (-1,))  # in C order, but it may be a view of elements that are apart
    return xp.reshape(row if contiguous(row) else xp.asarray(row, copy=True), array.shape)


@planned
def _forward(device: Any, arrays: Sequence[Array], rows: int, relu: bool) -> tuple:
    """How many slices, tiles, and the launch."""
    O, I = arrays[1].shape
    tiles = _tiles(rows, O)
    count, length = slices(tiles, I)
    fields = {"rows": rows, "inputs": I, "outputs": O, "relu": int(relu), "slices": count,
              "slice_depth": length,
              "input_slices": 1, "input_each": 1, "input_blocks": 0}
    name = f"linear_forward<{TYPES[dtype_name(arrays[0].dtype)]}>"
    return count, tiles, SteadyLaunch(device, name, (count * tiles, 1, 1), fields)


@planned
def _backward(device: Any, arrays: Sequence[Array], rows: int, shape: tuple[int, int],
              needs: tuple[bool, ...]) -> tuple:
    """How many tiles are left in all slices, how many counters are needed, and the launch."""
    (O, I), (needs_x, needs_weight, needs_bias) = shape, needs
    input_tiles = _tiles(rows, I) if needs_x else 0
    tiles = _tiles(O, I if needs_weight else 1) if needs_weight or needs_bias else 0
    input_count, input_each = slices(max(1, input_tiles), O)
    count, length = slices(max(1, tiles), rows)
    fields = {"rows": rows, "inputs": I, "outputs": O, "relu": 0, "slices": count, "slice_depth": length,
              "input_slices": input_count, "input_each": input_each,
              "input_blocks": input_count * input_tiles}
    blocks = input_count * input_tiles + count * tiles
    name = f"linear_backward<{TYPES[dtype_name(arrays[0].dtype)]}>"
    return (blocks if max(count, input_count) > 1 else 0, tiles + input_tiles,
            SteadyLaunch(device, name, (blocks, 1, 1), fields))


def _between(device: Any, tiles: int, counters: int, like: Array) -> tuple[Array | None, Array | None]:
    """What the slices of so many tiles leave, and the counters; nothing where there are none."""
    if not tiles:
        return None, None
    return device.empty((tiles * (TILE * TILE + TILE),), "float32", like), device.counters(counters, like)


def _linear(x: Array, weight: Array, bias: Array | None, needs: Sequence[bool], relu: bool) -> Any:
    dtype, shape = dtype_name(x.dtype), tuple(x.shape)
    if (dtype not in TYPES or 0 in shape or 0 in weight.shape
            or max(x.size // shape[-1], *weight.shape) >= LIMIT
            or _tiles(x.size // shape[-1], max(weight.shape)) >= LIMIT // BLOCKS):
        return decline(f"{dtype} of shape {shape}; it serves arrays of {', '.join(TYPES)} that are not empty")
    device: Any = cuda_of(x)
    O, rows = weight.shape[0], prod(shape[:-1])
    x, weight, bias = dense(x), dense(weight), None if bias is None else dense(bias)
    y = device.empty((*shape[:-1], O), x.dtype, x)
    count, tiles, run = _forward(device, (x, weight), rows, relu)
    run(x, weight, bias, y, *_between(device, tiles * count * (count > 1), tiles, x))
    if not any(needs):
        return y, None
    needs, dims = tuple(needs), tuple(weight.shape)
    x = x if needs[1] else None
    weight = weight if needs[0] else None
    result = y if relu else None

    def backward(dy: Array) -> tuple:
        dy = dense(dy)
        dx, dweight, dbias = (device.empty(made, dy.dtype, dy) if needed else None
                              for made, needed in zip((shape, dims, dims[:1]), needs))
        left, counters, run = _backward(device, (dy,), rows, dims, needs)
        run(x, weight, result, dy, dx, dweight, dbias, *_between(device, left, counters, dy))
        return dx, dweight, dbias
    return y, backward
