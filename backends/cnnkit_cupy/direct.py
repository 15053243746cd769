"""Convolution with few channels in a group on a CUDA device, as in a network's first layers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from cnnkit.backends import backend_of, decline, dtype_name
from cnnkit.ops.conv import conv as op
from cnnkit.ops.conv import conv_filters_backward, conv_input_backward
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import conv_output_shape
from cnnkit_cupy.chains import then_relu
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, Struct, declare, launch, strides
from cnnkit_cupy.types import TYPES, other_dtype

Array = Any
SIZES = (0, 3, 5)         # square filters, of stride and dilation 1, whose loops are unrolled; 0: any others
TAPS = 49                 # elements of a filter at most: 7 x 7
TILE, WEIGHTS = 5120, 1280                             # floats: as Room in direct.cuh
ROOM, GRADIENT_ROOM = 4 * (TILE + WEIGHTS), 29344      # bytes: Room, GradientRoom
BAND, ROWS = 4, 8                                      # rows of pixels of a thread, as in direct.cu
UNITS = {0: 64, 3: 32, 5: 24}  # by size, of a block's weight gradient: 8 * Units::each in direct.cu
BLOCKS = 512                   # of a weight gradient: a few for each multiprocessor of the largest GPUs
LIMIT = 2**31 - 2**16          # an int can number fewer than this, with tiles that hang over the edge
MANY = "it serves groups of few channels (see direct.sensible) and filters of at most 49 elements"
NO_POOLING = {"height": 0, "width": 0, "P": 0, "Q": 0, "by_height": 0, "by_width": 0}

BY, CONVOLUTION, TILING, POOLING = map(Struct, ("Strides", "Convolution", "Tiling", "Pooling"))
OPS = ("conv", "conv_filters", "conv_input", "relu", "max_pool")
for _dtype, _t in TYPES.items():
    _view, _maybe = In(_dtype, strided=True), In(_dtype, optional=True)
    _after, _argmax = In(_dtype, strided=True, optional=True), In("uint8", strided=True, optional=True)
    for _size in SIZES:
        declare(
            Kernel("direct", f"direct_conv2d<{_t}, {_size}>",
                   (_view, _view, _maybe, Out(_dtype, channels_last=True), BY, BY, CONVOLUTION, TILING,
                    Scalar("int32")), shared=ROOM, launch_bounds=(256, 2)),
            Kernel("direct", f"direct_input_gradient<{_t}, {_size}>",
                   (_view, _after, _argmax, _view, Out(_dtype, channels_last=True), BY, BY, CONVOLUTION,
                    POOLING, TILING), shared=ROOM, launch_bounds=(256, 2)),
            Kernel("direct", f"direct_weight_gradient<{_t}, {_size}>",
                   (_view, _view, _after, _argmax, Out("float32", optional=True), Out(_dtype),
                    Out(_dtype, optional=True), Out("uint32", optional=True), BY, BY, CONVOLUTION, POOLING,
                    TILING, *(Scalar("int32"),) * 2), shared=GRADIENT_ROOM, launch_bounds=(256, 2)),
            ops=OPS)


def sensible(channels: int, filters: int, taps: int) -> bool:
    """Whether a group of so many input channels and filters of so many elements is convolved directly.

    A tiled matrix product (conv.cu) divides the sum over channels and taps among tiles 16 deep, and the
    filters among tiles of 64 rows: with few channels it computes mostly with the rests of tiles, and reads
    each pixel once for every tap. Directly, pixels are read once, and no thread is idle; but each thread has
    only 16 sums, so what it loads serves fewer products, and with more channels the tiles win.
    """
    return taps <= TAPS and (channels <= 4 or (channels <= 8 and filters <= 16))


def geometry(x_shape: Sequence[int], weight_shape: Sequence[int], output_shape: Sequence[int], stride: tuple,
             padding: tuple, dilation: tuple, groups: int) -> dict[str, int]:
    """The structure Convolution."""
    (N, C, H, W), (K, _, R, S), (_, _, P, Q) = x_shape, weight_shape, output_shape
    return {"N": N, "C": C, "H": H, "W": W, "K": K, "R": R, "S": S, "P": P, "Q": Q, "stride_h": stride[0],
            "stride_w": stride[1], "top": padding[0][0], "left": padding[1][0], "dilation_h": dilation[0],
            "dilation_w": dilation[1], "groups": groups}


def numbered(x_shape: Sequence[int], weight_shape: Sequence[int], output_shape: Sequence[int], padding: tuple,
             dilation: tuple, groups: int) -> bool:
    """Whether ints can number a convolution's images, channels, rows and columns; products are 64-bit."""
    axes = zip(x_shape[2:], padding, weight_shape[2:], dilation)
    reach = [n + sum(pads) + 2 * k * d for n, pads, k, d in axes]
    return max(*reach, *x_shape, *output_shape) < LIMIT and groups <= 65535


def tiling(N: int, size: tuple[int, int], channels: int, quads: int, slots: int, per_slot: tuple[int, int],
           taps: Sequence[int], room: tuple[int, int] = (TILE, WEIGHTS), least: int = 1) -> dict[str, int]:
    """The structure Tiling, by which a block divides images into `slots` places of `per_slot` pixels.

    Parameters
    ----------
    N, size, channels
        Images, height and width of what is computed, channels that are read.
    quads : int
        Output channels in fours.
    taps : (R, S, stride_h, stride_w, dilation_h, dilation_w)
    room : (int, int)
        Floats of shared memory for the images and for the weights.
    least : int
        Channels that must fit at a time.

    Raises
    ------
    Unserved
        If even the smallest tile does not fit.
    """
    (slot_h, slot_w), (R, S, stride_h, stride_w, dilation_h, dilation_w) = per_slot, taps
    slots_h, slots_w = -(-size[0] // slot_h), -(-size[1] // slot_w)
    columns = next((n for n in (8, 16) if slots_w <= n), 32)
    bands = max(1, min(slots // columns, slots_h))
    images = max(1, min(slots // columns // bands, N))
    while True:
        rows = (bands * slot_h - 1) * stride_h + (R - 1) * dilation_h + 1
        width = (columns * slot_w - 1) * stride_w + (S - 1) * dilation_w + 1
        # a pitch by which the bands of a warp lie in different banks
        pitch = next((n for n in range(width, width + 9) if n % slot_w == 0 and
                      (columns * quads >= 32 or bands == 1 or slot_h * stride_h * n % 32 == columns)),
                     -(-width // slot_w) * slot_w)
        depth = min(channels, room[0] // (images * rows * pitch), room[1] // (4 * quads * R * S))
        if depth >= least:
            return {"quads": quads, "columns": columns, "bands": bands, "images": images, "depth": depth,
                    "rows": rows, "width": width, "pitch": pitch, "tiles_h": -(-slots_h // bands),
                    "tiles_w": -(-slots_w // columns)}
        if images > 1:
            images //= 2
        elif bands > 1:
            bands = -(-bands // 2)
        elif columns > 8:
            columns //= 2
        else:
            raise Unserved


def quads_of(outputs: int, taps: int) -> int:
    """How many fours of output channels a block computes: 1, 2, 4 or 8, as far as their weights have room."""
    quads = next((n for n in (1, 2, 4) if outputs <= 4 * n), 8)
    while quads > 1 and 4 * quads * taps > WEIGHTS:
        quads //= 2
    return quads


def tiles(N: int, plan: Mapping[str, int]) -> int:
    """How many tiles N images have."""
    return -(-N // plan["images"]) * plan["tiles_h"] * plan["tiles_w"]


def quadruples(array: Array, device: Any, channels: int) -> bool:
    """Whether an array (N, C, H, W) can be read by fours of channels: neighbours in memory, and aligned."""
    n, c, h, w = strides(array)
    return c == 1 and channels % 4 == 0 and not (n % 4 or h % 4 or w % 4
                                                 or device.address(array) % (4 * array.dtype.itemsize))


class Direct:
    """A convolution that is computed directly: the tiles of its kernels, from shapes only. See `planned`.

    Attributes
    ----------
    shape : tuple of int
        Of the output.
    size : int
        Which instances of the kernels serve: one of `SIZES`.
    geometry, taps
        The structure Convolution; (R, S, stride_h, stride_w, dilation_h, dilation_w).
    forward, input_gradient, weight_gradient : dict
        The structure Tiling of each.
    parts, slices : int
        Blocks of the weight gradient: for parts of the channels, filters and groups; for slices of the tiles.

    Raises
    ------
    Unserved
        If the kernels do not serve it.
    """

    def __init__(self, x_shape: tuple, weight_shape: tuple, stride: tuple, padding: tuple,
                 dilation: tuple, groups: int):
        self.x_shape, self.weight_shape = x_shape, weight_shape
        self.shape = conv_output_shape(x_shape, weight_shape, stride, padding, dilation, groups)
        (N, C, H, W), (K, Cg, R, S), (_, _, P, Q) = x_shape, weight_shape, self.shape
        Kg = K // groups
        if (0 in (C, K) or not sensible(Cg, Kg, R * S) or Cg == 1 < groups
                or not numbered(x_shape, weight_shape, self.shape, padding, dilation, groups)):
            raise Unserved
        self.geometry = geometry(x_shape, weight_shape, self.shape, stride, padding, dilation, groups)
        self.size = R if R == S and R in SIZES and stride == (1, 1) and dilation == (1, 1) else 0
        self.taps = (R, S, *stride, *dilation)
        forward, backward = quads_of(Kg, R * S), quads_of(Cg, R * S)
        self.forward = tiling(N, (P, Q), Cg, forward, 256 // forward, (BAND, 1), self.taps)
        self.input_gradient = tiling(N, (H, W), Kg, backward, 256 // backward, (BAND, 1),
                                     (R, S, 1, 1, *dilation))
        # a block of the weight gradient: as many channels as leave room, then one or two fours of filters
        of_channel = S if self.size else R * S
        at_once = min(Cg, (UNITS[self.size] - 1) // of_channel)
        self.weight_gradient = tiling(N, (P, Q), at_once, 1, 32, (ROWS, 1), self.taps, (TILE, TILE))
        # parts of about the same size
        depth = self.weight_gradient["depth"] = -(-Cg // -(-Cg // self.weight_gradient["depth"]))
        quads = self.weight_gradient["quads"] = (2 if Kg > 4
                                                 and 2 * (depth * of_channel + 1) <= UNITS[self.size] else 1)
        self.parts = -(-Cg // depth) * -(-Kg // (4 * quads)) * groups
        self.slices = max(1, min(tiles(N, self.weight_gradient), BLOCKS // self.parts))
        if self.parts > 65535 or max(tiles(N, plan) for plan in (self.forward, self.input_gradient,
                                                                 self.weight_gradient)) >= LIMIT:
            raise Unserved

    def run(self, device: Any, x: Array, weight: Array, bias: Array | None, relu: bool) -> Array:
        """The output, (N, K, P, Q); with ReLU where `relu` is set."""
        y = device.empty(self.shape, x.dtype, x, channels_last=True)
        launch(device, f"direct_conv2d<{TYPES[dtype_name(x.dtype)]}, {self.size}>",
               (tiles(len(x), self.forward), self.geometry["groups"], 1), x, weight, side_by_side(bias), y,
               strides(x), strides(weight), self.geometry, self.forward, int(relu))
        return y

    def gradients(self, device: Any, x: Array | None, weight: Array | None, needs: Sequence[bool], dy: Array,
                  relu_output: Array | None = None, argmax: Array | None = None,
                  pooling: Mapping[str, int] = NO_POOLING) -> tuple:
        """The gradients of x, weight and bias that are needed.

        With `relu_output`, dy is the gradient of a ReLU's output; with `argmax`, of a pooling after a ReLU.
        """
        dx = dweight = dbias = None
        instance, incoming, dtype = (f"<{TYPES[dtype_name(dy.dtype)]}, {self.size}>",
                                     (dy, relu_output, argmax), dy.dtype)
        if weight is not None:
            dx = device.empty(self.x_shape, dtype, dy, channels_last=True)
            launch(device, f"direct_input_gradient{instance}",
                   (tiles(len(dy), self.input_gradient), self.geometry["groups"], 1), *incoming, weight, dx,
                   strides(dy), strides(weight), self.geometry, pooling, self.input_gradient)
        if x is not None:
            K = self.weight_shape[0]
            sums = summing(device, self.weight_shape, needs[2], self.slices, self.parts, dy)
            by_fours = quadruples(dy, device, K // self.geometry["groups"])
            launch(device, f"direct_weight_gradient{instance}", (self.slices, self.parts, 1),
                   x, *incoming, *sums, strides(x), strides(dy), self.geometry, pooling,
                   self.weight_gradient, tiles(len(dy), self.weight_gradient), int(by_fours))
            _, dweight, dbias, _ = sums
        return dx, dweight if needs[1] else None, dbias


class Unserved(ValueError):
    """The kernels do not serve this convolution."""


@functools.lru_cache(1024)
def planned(dtype: str, *settings: Any) -> Direct | None:
    """`Direct` of these settings, made once; None where the kernels do not serve them."""
    try:
        return Direct(*settings) if dtype in TYPES else None
    except Unserved:
        return None


def plan_of(x: Array, weight: Array, conv: Mapping[str, Any]) -> Direct | None:
    """`planned` for these arrays and the attributes of `cnnkit.ops.conv.conv2d`."""
    return planned(dtype_name(x.dtype), tuple(x.shape), tuple(weight.shape), conv["stride"], conv["padding"],
                   conv["dilation"], conv["groups"])


def summing(device: Any, shape: tuple[int, ...], bias: bool, slices: int, parts: int, dy: Array) -> tuple:
    """What a weight gradient in `slices` writes: their sums, the gradients of weight and bias, and counters.

    `shape` is the weight's; `parts` are the blocks of a slice, each with a counter. One slice needs no sums.
    """
    dweight = device.empty(shape, dy.dtype, dy)
    dbias = device.empty(shape[:1], dy.dtype, dy) if bias else None
    if slices == 1:
        return None, dweight, dbias, None
    partial = device.empty((prod(shape) + shape[0] * bias, slices), "float32", dy)
    return partial, dweight, dbias, device.counters(parts, dy)


def side_by_side(bias: Array | None) -> Array | None:
    """The bias with its elements side by side."""
    if bias is None or bias.strides == (bias.dtype.itemsize,):
        return bias
    return backend_of(bias).namespace.asarray(bias, copy=True)


def _convolve(x: Array, weight: Array, bias: Array | None, needs: Sequence[bool], conv: Mapping[str, Any],
              relu: bool) -> tuple[Array, Callable | None] | Any:
    plan = plan_of(x, weight, conv)
    if plan is None:
        return decline(MANY if dtype_name(x.dtype) in TYPES else other_dtype(x))
    device = cuda_of(x)
    y = plan.run(device, x, weight, bias, relu)
    if not any(needs):
        return y, None
    # x is kept for the gradients of weight and bias, and the weight for that of the input
    x = x if needs[1] or needs[2] else None
    weight = weight if needs[0] else None
    relu_output = y if relu else None
    return y, lambda dy: plan.gradients(device, x, weight, needs, dy, relu_output)


def conv2d_input(dy: Array, weight: Array, *, needs: Sequence[bool], size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_input`."""
    if dy.ndim != 4:
        return by_rank_2(conv2d_input, (dy, weight), needs, {"size": size, **conv})
    x = (dy.shape[0], weight.shape[1] * conv["groups"], *size)
    plan = planned(dtype_name(dy.dtype), x, tuple(weight.shape), conv["stride"], conv["padding"],
                   conv["dilation"], conv["groups"])
    if plan is None:
        return decline("it serves few channels in a group")
    dx, _, _ = plan.gradients(cuda_of(dy), None, weight, (True, False, False), dy)
    return dx, conv_input_backward(dy, weight, needs, conv) if any(needs) else None


def conv2d_filters(x: Array, dy: Array, *, needs: Sequence[bool], kernel_size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_filters`."""
    if x.ndim != 4:
        return by_rank_2(conv2d_filters, (x, dy), needs, {"kernel_size": kernel_size, **conv})
    shape = (dy.shape[1], x.shape[1] // conv["groups"], *kernel_size)
    plan = planned(dtype_name(x.dtype), tuple(x.shape), shape, conv["stride"], conv["padding"],
                   conv["dilation"], conv["groups"])
    if plan is None:
        return decline("it serves few channels in a group")
    _, dweight, _ = plan.gradients(cuda_of(x), x, None, (False, True, False), dy)
    return dweight, conv_filters_backward(x, dy, needs, conv) if any(needs) else None


def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv2d`; it serves few channels in a group: see `sensible`."""
    if x.ndim != 4:
        return by_rank_2(conv2d, (x, weight, bias), needs, conv)
    return _convolve(x, weight, bias, needs, conv, relu=False)


conv2d_relu = then_relu(op, _convolve)
