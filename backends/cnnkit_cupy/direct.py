"""Convolution with few channels in a group on a CUDA device: the first layers of a network. See `cnnkit.ops.conv`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from cnnkit.backends import backend_of, dtype_name
from cnnkit.shapes import conv2d_output_shape
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, Struct, declare, launch, strides
from cnnkit_cupy.types import TYPES

Array = Any
SIZES = (0, 3, 5)         # square filters, of stride and dilation 1, whose loops are unrolled; 0: any others
TAPS = 49                 # elements of a filter at most: 7 x 7
TILE, WEIGHTS = 5120, 1280                             # floats: as Room in direct.cuh
ROOM, GRADIENT_ROOM = 4 * (TILE + WEIGHTS), 29328      # bytes: Room, GradientRoom
BAND, ROWS = 4, 8                                      # rows of pixels of a thread, as in direct.cu
UNITS = {0: 64, 3: 32, 5: 24}                          # of a block's weight gradient, as 8 * Units::each in direct.cu
BLOCKS = 512                                           # of a weight gradient: a few for each multiprocessor of the largest GPUs
LIMIT = 2**31 - 2**16                                  # what an int numbers, and tiles hang over the edge
NO_POOLING = {"height": 0, "width": 0, "P": 0, "Q": 0, "by_height": 0, "by_width": 0}

BY, CONVOLUTION, TILING, POOLING = map(Struct, ("Strides", "Convolution", "Tiling", "Pooling"))
OPS = ("conv2d", ("conv2d", "relu"), ("conv2d", "relu", "max_pool2d"))
for _dtype, _t in TYPES.items():
    _view, _maybe = In(_dtype, strided=True), In(_dtype, optional=True)
    _after, _argmax = In(_dtype, strided=True, optional=True), In("uint8", strided=True, optional=True)
    for _size in SIZES:
        declare(
            Kernel("direct", f"direct_conv2d<{_t}, {_size}>",
                   (_view, _view, _maybe, Out(_dtype, channels_last=True), BY, BY, CONVOLUTION, TILING, Scalar("int32")),
                   shared=ROOM, launch_bounds=(256, 2)),
            Kernel("direct", f"direct_input_gradient<{_t}, {_size}>",
                   (_view, _after, _argmax, _view, Out(_dtype, channels_last=True), BY, BY, CONVOLUTION, POOLING, TILING),
                   shared=ROOM, launch_bounds=(256, 2)),
            Kernel("direct", f"direct_weight_gradient<{_t}, {_size}>",
                   (_view, _view, _after, _argmax, Out("float32"), BY, BY, CONVOLUTION, POOLING, TILING,
                    *(Scalar("int32"),) * 3), shared=GRADIENT_ROOM, launch_bounds=(256, 2)),
            ops=OPS)
    declare(Kernel("direct", f"direct_add_slices<{_t}>",
                   (In("float32"), Out(_dtype), Out(_dtype, optional=True), Scalar("int64"), Scalar("int64"), Scalar("int32"))),
            ops=OPS)


def sensible(channels: int, filters: int, taps: int) -> bool:
    """Whether a group of so many input channels and filters of so many elements is convolved directly.

    A tiled matrix product (conv.cu) divides the sum over channels and taps among tiles 16 deep, and the filters among tiles
    of 64 rows: with few channels it computes mostly with the rests of tiles, and reads each pixel once for every tap. Directly,
    pixels are read once, and no thread is idle; but each thread has only 16 sums, so what it loads serves fewer products, and
    with more channels the tiles win.
    """
    return taps <= TAPS and (channels <= 4 or (channels <= 8 and filters <= 16))


def geometry(x_shape: Sequence[int], weight_shape: Sequence[int], output_shape: Sequence[int], stride: tuple, padding: tuple,
             dilation: tuple, groups: int) -> dict[str, int]:
    """The structure Convolution."""
    (N, C, H, W), (K, _, R, S), (_, _, P, Q) = x_shape, weight_shape, output_shape
    return {"N": N, "C": C, "H": H, "W": W, "K": K, "R": R, "S": S, "P": P, "Q": Q, "stride_h": stride[0], "stride_w": stride[1],
            "top": padding[0][0], "left": padding[1][0], "dilation_h": dilation[0], "dilation_w": dilation[1], "groups": groups}


def numbered(x_shape: Sequence[int], weight_shape: Sequence[int], output_shape: Sequence[int], padding: tuple, dilation: tuple,
             groups: int) -> bool:
    """Whether ints number the images, channels, rows and columns of this convolution; only their products are 64-bit."""
    reach = [n + sum(pads) + 2 * k * d for n, pads, k, d in zip(x_shape[2:], padding, weight_shape[2:], dilation)]
    return max(*reach, *x_shape, *output_shape) < LIMIT and groups <= 65535


def tiling(N: int, size: tuple[int, int], channels: int, quads: int, slots: int, each: tuple[int, int], taps: Sequence[int],
           room: tuple[int, int] = (TILE, WEIGHTS), least: int = 1) -> dict[str, int] | None:
    """How a block divides images into `slots` places, each of `each` pixels: the structure Tiling; None if nothing fits.

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
    """
    (down, across), (R, S, stride_h, stride_w, dilation_h, dilation_w) = each, taps
    high, wide = -(-size[0] // down), -(-size[1] // across)
    columns = next((n for n in (8, 16) if wide <= n), 32)
    bands = max(1, min(slots // columns, high))
    images = max(1, min(slots // columns // bands, N))
    while True:
        rows = (bands * down - 1) * stride_h + (R - 1) * dilation_h + 1
        width = (columns * across - 1) * stride_w + (S - 1) * dilation_w + 1
        # a warp that has several bands finds them in different banks
        pitch = next((n for n in range(width, width + 9) if n % across == 0 and
                      (columns * quads >= 32 or bands == 1 or down * stride_h * n % 32 == columns)), width + width % across)
        depth = min(channels, room[0] // (images * rows * pitch), room[1] // (4 * quads * R * S))
        if depth >= least:
            return {"quads": quads, "columns": columns, "bands": bands, "images": images, "depth": depth, "rows": rows,
                    "width": width, "pitch": pitch, "tiles_h": -(-high // bands), "tiles_w": -(-wide // columns)}
        if images > 1:
            images //= 2
        elif bands > 1:
            bands = -(-bands // 2)
        elif columns > 8:
            columns //= 2
        else:
            return None


def quads_of(outputs: int, taps: int) -> int:
    """Into how many fours of output channels a block's threads are divided: 1, 2, 4 or 8, as many as weights find room."""
    quads = next((n for n in (1, 2, 4) if outputs <= 4 * n), 8)
    while quads > 1 and 4 * quads * taps > WEIGHTS:
        quads //= 2
    return quads


def tiles(N: int, plan: Mapping[str, int]) -> int:
    """How many tiles N images have."""
    return -(-N // plan["images"]) * plan["tiles_h"] * plan["tiles_w"]


def quadruples(array: Array, device: Any, channels: int) -> bool:
    """Whether an array (N, C, H, W) can be read by fours of channels: they are neighbours, and every four is aligned."""
    n, c, h, w = strides(array)
    return c == 1 and channels % 4 == 0 and not (n % 4 or h % 4 or w % 4 or device.address(array) % (4 * array.dtype.itemsize))


class Direct:
    """A convolution that is computed directly: the grids and tiles of its kernels, or None for each that cannot be.

    Parameters
    ----------
    x, weight : array
    conv : mapping
        The attributes of `cnnkit.ops.conv.conv2d`.
    """

    def __init__(self, x: Array, weight: Array, conv: Mapping[str, Any]):
        stride, padding, dilation, groups = (conv[name] for name in ("stride", "padding", "dilation", "groups"))
        self.device, self.dtype, self.kind = backend_of(x).cuda, x.dtype, TYPES.get(dtype_name(x.dtype))
        self.x_shape, self.weight_shape = tuple(x.shape), tuple(weight.shape)
        self.shape = conv2d_output_shape(x.shape, weight.shape, stride, padding, dilation, groups)
        (N, C, H, W), (K, Cg, R, S), (_, _, P, Q) = self.x_shape, self.weight_shape, self.shape
        Kg = K // groups
        self.served = (self.kind is not None and 0 not in (C, K) and sensible(Cg, Kg, R * S) and not (Cg == 1 < groups)
                       and numbered(self.x_shape, self.weight_shape, self.shape, padding, dilation, groups))
        if not self.served:
            return
        self.geometry = geometry(self.x_shape, self.weight_shape, self.shape, stride, padding, dilation, groups)
        self.size = R if R == S and R in SIZES and stride == (1, 1) and dilation == (1, 1) else 0
        self.taps = (R, S, *stride, *dilation)
        forward, backward = quads_of(Kg, R * S), quads_of(Cg, R * S)
        self.forward = tiling(N, (P, Q), Cg, forward, 256 // forward, (BAND, 1), self.taps)
        self.input_gradient = tiling(N, (H, W), Kg, backward, 256 // backward, (BAND, 1), (R, S, 1, 1, *dilation))
        # a block of the weight gradient: as many channels as leave room, then one or two fours of filters
        at_once = (UNITS[self.size] - 1) // (S if self.size else R * S)
        self.weight_gradient = tiling(N, (P, Q), min(Cg, at_once), 1, 32, (ROWS, 1), self.taps, (TILE, TILE))
        if self.forward is None or self.input_gradient is None or self.weight_gradient is None:
            self.served = False
            return
        depth = self.weight_gradient["depth"]
        depth = self.weight_gradient["depth"] = -(-Cg // -(-Cg // depth))  # chunks of about the same size
        units = depth * (S if self.size else R * S) + 1
        quads = self.weight_gradient["quads"] = 2 if Kg > 4 and 2 * units <= UNITS[self.size] else 1
        self.parts = -(-Cg // depth) * -(-Kg // (4 * quads)) * groups
        self.slices = min(tiles(N, self.weight_gradient), max(1, BLOCKS // self.parts))
        self.served = (self.parts <= 65535 and max(tiles(N, self.forward), tiles(N, self.input_gradient),
                                                   tiles(N, self.weight_gradient)) < LIMIT)

    def run(self, x: Array, weight: Array, bias: Array | None, relu: bool) -> Array:
        """The output, (N, K, P, Q); with ReLU where `relu` is set."""
        y = self.device.empty(self.shape, self.dtype, x, channels_last=True)
        launch(self.device, f"direct_conv2d<{self.kind}, {self.size}>", (tiles(len(x), self.forward), self.geometry["groups"], 1),
               x, weight, bias, y, strides(x), strides(weight), self.geometry, self.forward, int(relu))
        return y

    def gradients(self, x: Array | None, weight: Array | None, needs: Sequence[bool], dy: Array, after: Array | None = None,
                  argmax: Array | None = None, pooling: Mapping[str, int] = NO_POOLING) -> tuple:
        """Those of x, weight and bias, as far as needed; dy is behind a ReLU whose output is `after`, or behind a pooling too."""
        dx = dweight = dbias = None
        behind = (dy, after, argmax)
        if needs[0] and weight is not None:
            dx = self.device.empty(self.x_shape, self.dtype, dy, channels_last=True)
            launch(self.device, f"direct_input_gradient<{self.kind}, {self.size}>",
                   (tiles(len(dy), self.input_gradient), self.geometry["groups"], 1), *behind, weight, dx, strides(dy),
                   strides(weight), self.geometry, pooling, self.input_gradient)
        if x is not None:
            K, count = self.weight_shape[0], prod(self.weight_shape)
            values = count + K if needs[2] else count
            partial = self.device.empty((values, self.slices), "float32", dy)
            whole = quadruples(dy, self.device, K // self.geometry["groups"])
            launch(self.device, f"direct_weight_gradient<{self.kind}, {self.size}>", (self.slices, self.parts, 1), x, *behind,
                   partial, strides(x), strides(dy), self.geometry, pooling, self.weight_gradient,
                   tiles(len(dy), self.weight_gradient), int(whole), int(needs[2]))
            dweight = self.device.empty(self.weight_shape, self.dtype, dy)
            dbias = self.device.empty((K,), self.dtype, dy) if needs[2] else None
            add_slices(self.device, self.kind, partial, dweight, dbias)
        return dx, dweight if needs[1] else None, dbias


def add_slices(device: Any, kind: str | None, partial: Array, dweight: Array, dbias: Array | None) -> None:
    """Add up partial sums (weights and then biases, slices)."""
    values, slices = partial.shape
    launch(device, f"direct_add_slices<{kind}>", (-(-values // 8), 1, 1), partial, dweight, dbias, dweight.size, values, slices)


def contiguous_bias(bias: Array | None) -> Array | None:
    """The bias with its elements side by side."""
    if bias is None or bias.strides == (bias.dtype.itemsize,):
        return bias
    return backend_of(bias).namespace.asarray(bias, copy=True)


def _convolve(x: Array, weight: Array, bias: Array | None, needs: Sequence[bool], conv: Mapping[str, Any],
              relu: bool) -> tuple[Array, Callable | None] | Any:
    plan = Direct(x, weight, conv)
    if not plan.served:
        return NotImplemented
    y = plan.run(x, weight, contiguous_bias(bias), relu)
    if not any(needs):
        return y, None
    x = x if needs[1] or needs[2] else None  # held for the gradients of weight and bias, and the weight for the input's
    weight = weight if needs[0] else None
    after = y if relu else None
    return y, lambda dy: plan.gradients(x, weight, needs, dy, after)


def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], **conv: Any) -> tuple[Array, Callable | None] | Any:
    """See `cnnkit.ops.conv.conv2d`; served are few channels in a group: see `sensible`."""
    return _convolve(x, weight, bias, needs, conv, relu=False)


def conv2d_relu(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], attrs: Sequence[Mapping[str, Any]]) -> Any:
    """`conv2d`, then ``relu``."""
    return _convolve(x, weight, bias, needs, attrs[0], relu=True)
