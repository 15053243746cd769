"""Convolution on a CUDA device: tiles, readings, phases and slices. See `cnnkit.ops.conv` and ``conv.cu``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import gcd, prod
from typing import Any

from cnnkit.backends import backend_of, decline, dtype_name
from cnnkit.ops.conv import conv as op
from cnnkit.ops.conv import conv_filters_backward, conv_input_backward
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import conv_output_shape
from cnnkit_cupy.chains import then_relu
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, SteadyLaunch, Struct, declare, planned, strides
from cnnkit_cupy.types import TYPES

Array = Any
LIMIT = 2**31 - 2**16  # an int of a kernel can number fewer than this, with tiles that hang over the edge
MOST = 65535           # blocks along the second and third axis of a grid
ENOUGH = 128           # blocks from which on a larger tile pays: fewer leave multiprocessors idle
BLOCKS = 256           # as many blocks as the weight gradient is cut into: a few for each multiprocessor
SHORTEST = 1024        # pixels that a slice has at least: below, adding slices up costs more than it wins
LANES, THREADS = 32, 256
PLACE = 96             # bytes of conv.cu's Place


@dataclass(frozen=True)
class Tiling:
    """How a block divides its part of the product: a thread makes rows_each x columns_each sums.

    The kernel reads vectors for filters of at most `taps` elements: its table has no room for more.
    """

    rows: int
    columns: int
    rows_each: int
    columns_each: int
    taps: int

    @property
    def threads(self) -> int:
        return self.rows * self.columns // (self.rows_each * self.columns_each)

    def shared(self, itemsize: int) -> int:
        """Bytes of a block's tiles: two for elements of 4 bytes, one of twice the depth for 2 bytes."""
        width = 16 // itemsize
        half = width * (self.rows + 4) + (16 if width == 8 else 0)
        return 4 * (itemsize // 2) * (2 * half + 2 * width * self.columns)


TILINGS = {"Large": Tiling(128, 128, 8, 8, 61), "Narrow": Tiling(128, 64, 8, 8, 61),
           "Small": Tiling(64, 32, 8, 4, 29)}
SQUARE = Tiling(64, 64, 8, 4, 61)  # for the weight gradient, which has too few registers for Narrow
WEIGHT_TILINGS = {"Large": TILINGS["Large"], "Square": SQUARE, "Small": TILINGS["Small"]}

BY, SHAPE, OPS = Struct("Strides"), Struct("Shape"), ("conv", "conv_filters", "conv_input", "relu")
for _dtype, _t in TYPES.items():
    _size = 4 if _dtype == "float32" else 2
    _any, _wide = In(_dtype, strided=True), In(_dtype, strided=True, aligned=16)
    _plain = In(_dtype, aligned=16)
    for _name, _tile in {**TILINGS, **WEIGHT_TILINGS}.items():
        for _reading in ("scalar", "vector", "pointwise") if _name == "Small" else ("vector", "pointwise"):
            # where single elements are read, reading takes most of the time: one tile is enough
            _view = _any if _reading == "scalar" else _wide
            _instance = partial(Kernel, "conv", block=(_tile.threads, 1, 1),
                                launch_bounds=(_tile.threads, 512 // _tile.threads))
            if _name in TILINGS:
                declare(_instance(
                    f"conv2d<{_t}, {_name}, {_reading}>",
                    (_view, _plain, In(_dtype, optional=True), Out(_dtype, channels_last=True), BY, SHAPE),
                    shared=_tile.shared(_size) + PLACE + 16 * (_tile.rows + _tile.taps + 3)), ops=OPS)
            if _name in WEIGHT_TILINGS and _reading != "pointwise":
                declare(_instance(f"conv2d_weight_gradient<{_t}, {_name}, {_reading}>",
                                  (_view, _view, Out("float32"), BY, BY, SHAPE),
                                  shared=_tile.shared(_size) + _tile.rows * _size), ops=OPS)
    declare(
        Kernel("conv", f"conv2d_pack<{_t}>", (_any, Out(_dtype), BY, SHAPE)),
        Kernel("conv", f"conv2d_add_slices<{_t}>",
               (In("float32"), Out(_dtype), Scalar("int64"), *[Scalar("int32")] * 4)),
        Kernel("conv", f"conv2d_bias_gradient<{_t}>", (_any, Out("float32"), BY, SHAPE), shared=4 * THREADS),
        Kernel("conv", f"conv2d_relu_gradient<{_t}>",
               (_any, In(_dtype), Out(_dtype), BY, *[Scalar("int32")] * 3, Scalar("int64"))), ops=OPS)


def _ceil(n: int, unit: int) -> int:
    return -(-n // unit)


def tiling(rows: int, columns: int, groups: int) -> str:
    """The tile for a product, by shapes only: the largest that is not mostly empty and gives enough blocks.

    >>> tiling(32 * 56 * 56, 128, 1), tiling(32 * 56 * 56, 64, 1), tiling(32 * 7 * 7, 128, 1)
    ('Large', 'Narrow', 'Small')
    """
    for name in ("Large", "Narrow"):
        tile = TILINGS[name]
        if (columns > tile.columns // 2
                and _ceil(rows, tile.rows) * _ceil(columns, tile.columns) * groups >= ENOUGH):
            return name
    return "Small"


def slices(blocks: int, pixels: int, groups: int) -> int:
    """How many slices a sum over pixels by `blocks` blocks is cut into: by shapes only, so that bits repeat.

    >>> slices(1, 32 * 28 * 28, 1), slices(144, 32 * 7 * 7, 1)
    (25, 1)
    """
    fewest = _ceil(pixels, 2**30)  # an int counts a slice's pixels
    return max(1, fewest, min(BLOCKS // blocks, _ceil(pixels, SHORTEST), MOST // groups))


def reading(device: Any, x: Array, channels: int, reach: Sequence[int]) -> str:
    """``"vector"`` where 16 bytes of neighbouring channels can be read at once, else ``"scalar"``.

    `channels` are those of a group; `reach` is how far the filters see along both axes, with the padding.
    """
    width = 16 // x.dtype.itemsize
    n, c, h, w = strides(x)
    aligned = all(step % width == 0
                  for size, step in ((x.shape[0], n), (x.shape[2], h), (x.shape[3], w)) if size > 1)
    spanned = reach[0] * abs(h) + reach[1] * abs(w) + x.shape[1]  # an int numbers the elements of an image
    aligned = aligned and device.address(x) % 16 == 0
    return "vector" if c == 1 and channels % width == 0 and aligned and spanned < LIMIT else "scalar"


def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv`."""
    if x.ndim != 4:
        return by_rank_2(conv2d, (x, weight, bias), needs, conv)
    return _convolve(x, weight, bias, needs, conv, relu=False)


def conv2d_input(dy: Array, weight: Array, *, needs: Sequence[bool], size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_input`."""
    if dy.ndim != 4:
        return by_rank_2(conv2d_input, (dy, weight), needs, {"size": size, **conv})
    product = _products(dy, (dy.shape[0], weight.shape[1] * conv["groups"], *size), tuple(weight.shape), conv)
    if product is None:
        return decline(f"{dtype_name(dy.dtype)} of shape {tuple(dy.shape)}: another dtype, empty, "
                       "or more elements than its indices reach")
    return (product.input_gradient(dy, weight),
            conv_input_backward(dy, weight, needs, conv) if any(needs) else None)


def conv2d_filters(x: Array, dy: Array, *, needs: Sequence[bool], kernel_size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_filters`."""
    if x.ndim != 4:
        return by_rank_2(conv2d_filters, (x, dy), needs, {"kernel_size": kernel_size, **conv})
    product = _products(x, tuple(x.shape), (dy.shape[1], x.shape[1] // conv["groups"], *kernel_size), conv)
    if product is None:
        return decline(f"{dtype_name(x.dtype)} of shape {tuple(x.shape)}: another dtype, empty, "
                       "or more elements than its indices reach")
    return product.weight_gradient(x, dy), conv_filters_backward(x, dy, needs, conv) if any(needs) else None


def _products(like: Array, x: tuple, weight: tuple, conv: Mapping[str, Any]) -> Products | None:
    """The products of a convolution, on the device and in the dtype of `like`; None if not served."""
    if dtype_name(like.dtype) not in TYPES:
        return None
    device: Any = cuda_of(like)
    settings = (conv[name] for name in ("stride", "padding", "dilation", "groups"))
    return _products_of(device, like.dtype, x, weight, *settings)


@lru_cache(1024)
def _products_of(device: Any, dtype: Any, x: tuple, weight: tuple, *settings: Any) -> Products | None:
    product = Products(device, dtype, x, weight, conv_output_shape(x, weight, *settings), *settings)
    return None if product.too_large() else product


def _convolve(x: Array, weight: Array, bias: Array | None, needs: Sequence[bool],
              conv: Mapping[str, Any], relu: bool) -> Any:
    product = _products(x, tuple(x.shape), tuple(weight.shape), conv)
    if product is None:
        return decline(f"{dtype_name(x.dtype)} of shape {tuple(x.shape)}: another dtype, empty, "
                       "or more elements than its indices reach")
    if bias is not None and bias.strides != (bias.dtype.itemsize,):
        bias = backend_of(x).namespace.asarray(bias, copy=True)
    y = product.forward(x, weight, bias, relu)
    if not any(needs):
        return y, None
    x = x if needs[1] else None  # held for the weight's gradient alone, and the weight for the input's
    weight = weight if needs[0] else None
    output = y if relu else None

    def backward(dy: Array) -> tuple:
        if output is not None:
            dy = product.relu_gradient(dy, output)
        return (product.input_gradient(dy, weight) if needs[0] else None,
                product.weight_gradient(x, dy) if needs[1] else None,
                product.bias_gradient(dy) if needs[2] else None)
    return y, backward


conv2d_relu = then_relu(op, _convolve)  # the convolution's kernel applies ReLU to the sums that it writes


class Products:
    """The matrix products of one convolution: one forward, and one for each gradient."""

    def __init__(self, device: Any, dtype: Any, x: Sequence[int], weight: Sequence[int], y: Sequence[int],
                 stride: tuple, padding: tuple, dilation: tuple, groups: int):
        self.device, self.dtype = device, dtype
        self.cuda_type, self.itemsize = TYPES[dtype_name(dtype)], dtype.itemsize
        self.x, self.weight, self.y = tuple(x), tuple(weight), tuple(y)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        (top, _), (left, _) = padding
        self.attributes = {"N": self.x[0], "R": self.weight[2], "S": self.weight[3], "stride_h": stride[0],
                           "stride_w": stride[1], "top": top, "left": left, "dilation_h": dilation[0],
                           "dilation_w": dilation[1], "groups": groups,
                           "gradient": 0, "phases_h": 1, "phases_w": 1, "common_h": 1, "common_w": 1,
                           "depth": 0, "columns": 0, "relu": 0, "slices": 1, "each": 0}
        self.reach = [n + sum(pads) + size * step
                      for n, pads, size, step in zip(self.x[2:], padding, self.weight[2:], dilation)]
        # pixels that are a stride apart make a phase of the input gradient
        self.phases = [min(step, n) for step, n in zip(stride, self.x[2:])]
        self.common = [gcd(*steps) for steps in zip(stride, dilation)]  # divisors of stride and dilation

    def too_large(self) -> bool:
        """Whether the kernels' ints cannot number its elements, or there is nothing to sum over."""
        (_, C, H, W), (K, _, R, S), (_, _, P, Q) = self.x, self.weight, self.y
        inner, outer = C // self.groups, K // self.groups
        # packed filters of one group, padded to whole tiles
        packed = [(n * R * S + 64) * (m + 128) for n, m in ((inner, outer), (outer, inner))]
        numbered = (H * W, P * Q, C * R * S, K * R * S, *packed, *self.reach)
        return (0 in (C, K, H, W) or max(numbered) >= LIMIT or max(C, K) > 2**18
                or self.groups * prod(self.phases) > MOST)

    def geometry(self, read: Sequence[int], written: Sequence[int], **other: int) -> dict[str, int]:
        """The structure Shape of a product that reads and writes these shapes; `other` overrides fields."""
        return {**self.attributes, "H": read[2], "W": read[3], "C": read[1] // self.groups, "P": written[2],
                "Q": written[3], "K": written[1] // self.groups, **other}

    def forward(self, x: Array, weight: Array, bias: Array | None, relu: bool) -> Array:
        """The output: its channels are last in memory."""
        y = self.device.empty(self.y, self.dtype, x, channels_last=True)
        size, pack, multiply = _forward(self.device, (x, weight, bias), self, relu)
        packed = self.device.empty(size, self.dtype, x)
        pack(weight, packed)
        multiply(x, packed, bias, y)
        return y

    def input_gradient(self, dy: Array, weight: Array) -> Array:
        """A dense convolution of dy for each phase; with stride 1 there is one."""
        dx = self.device.empty(self.x, self.dtype, dy, channels_last=True)
        size, pack, multiply = _input_gradient(self.device, (dy, weight), self)
        packed = self.device.empty(size, self.dtype, dy)
        pack(weight, packed)
        multiply(dy, packed, None, dx)
        return dx

    def plan(self, read: Array, weight: Array, geometry: dict[str, int], pixels: Sequence[int], depth: int,
             phases: Sequence[int]) -> tuple[tuple[int], SteadyLaunch, SteadyLaunch]:
        """The shape of the packed filters, their packing, and the tiled product on them.

        `pixels` and `depth` are those of a phase.
        """
        rows, z = pixels[0] * pixels[2] * pixels[3], self.groups * prod(phases)
        access = reading(self.device, read, geometry["C"], self.reach)
        name = tiling(rows, geometry["K"], z)
        taps = prod(self.weight[2:])
        if access == "vector" and taps > TILINGS[name].taps:
            name = "Narrow"
        if access == "scalar" or taps > TILINGS[name].taps:
            access, name = "scalar", "Small"
        if (access == "vector" and self.weight[2:] == (1, 1) and self.stride == (1, 1)
                and not any(map(any, self.padding))):
            access = "pointwise"
        tile, unit = TILINGS[name], 32 // self.itemsize
        geometry["depth"], geometry["columns"] = (_ceil(depth, unit) * unit,
                                                  _ceil(geometry["K"], tile.columns) * tile.columns)
        # one unit of depth more than the matrices have: the last step prefetches beyond their end
        return (((z * geometry["depth"] + unit) * geometry["columns"],),
                SteadyLaunch(self.device, f"conv2d_pack<{self.cuda_type}>",
                             (geometry["columns"] // LANES, _ceil(geometry["C"] + unit - 1, 8), z),
                             strides(weight), geometry),
                SteadyLaunch(self.device, f"conv2d<{self.cuda_type}, {name}, {access}>",
                             (_ceil(rows, tile.rows), geometry["columns"] // tile.columns, z),
                             strides(read), geometry))

    def weight_gradient(self, x: Array, dy: Array) -> Array:
        """Partial sums over slices of the pixels, in float32, and their sum in the order of the slices."""
        shape, multiply, add = _weight_gradient(self.device, (x, dy), self)
        partial = self.device.empty(shape, "float32", dy)
        total = self.device.empty(self.weight, self.dtype, dy)
        multiply(x, dy, partial)
        add(partial, total)
        return total

    def bias_gradient(self, dy: Array) -> Array:
        """The sum over the pixels, cut into slices like the weight's."""
        shape, sum_up, add = _bias_gradient(self.device, (dy,), self)
        partial = self.device.empty(shape, "float32", dy)
        total = self.device.empty(self.y[1:2], self.dtype, dy)
        sum_up(dy, partial)
        add(partial, total)
        return total

    @property
    def pixels(self) -> int:
        """How many pixels the output has."""
        return self.y[0] * self.y[2] * self.y[3]

    def adding(self, count: int, *sizes: int) -> SteadyLaunch:
        """The launch that adds up slices of `count` numbers; `sizes`: slices, K, C, taps."""
        return SteadyLaunch(self.device, f"conv2d_add_slices<{self.cuda_type}>",
                            (_ceil(count, THREADS), 1, 1), count, *sizes)

    def relu_gradient(self, dy: Array, y: Array) -> Array:
        """The gradient before the ReLU that follows the convolution, with the channels last."""
        N, K, P, Q = self.y
        permute = backend_of(dy).namespace.permute_dims
        masked = self.device.empty((N, P, Q, K), self.dtype, dy)
        _relu_gradient(self.device, (dy,), self)(dy, permute(y, (0, 2, 3, 1)), masked)
        return permute(masked, (0, 3, 1, 2))


@planned
def _forward(device: Any, arrays: Sequence, product: Products, relu: bool) -> tuple:
    x, weight, _ = arrays
    return product.plan(x, weight, product.geometry(product.x, product.y, relu=int(relu)), product.y,
                        prod(product.weight[1:]), (1, 1))


@planned
def _input_gradient(device: Any, arrays: Sequence, product: Products) -> tuple:
    (dy, weight), phases, common = arrays, product.phases, product.common
    taps = prod(_ceil(size, step // divisor)
                for size, step, divisor in zip(product.weight[2:], product.stride, common))
    geometry = product.geometry(product.y, product.x, gradient=1, phases_h=phases[0], phases_w=phases[1],
                                common_h=common[0], common_w=common[1])
    phase_shape = (product.x[0], 0, *map(_ceil, product.x[2:], product.stride))
    return product.plan(dy, weight, geometry, phase_shape, taps * geometry["C"], phases)


@planned
def _weight_gradient(device: Any, arrays: Sequence, product: Products) -> tuple:
    """The shape of the partial sums, their launch, and that of their sum."""
    (x, dy), geometry = arrays, product.geometry(product.x, product.y)
    K, C, taps = geometry["K"], geometry["C"], prod(product.weight[2:])
    vectorized = (reading(device, x, C, product.reach) == "vector"
                  and reading(device, dy, K, product.y[2:]) == "vector")
    fitting = (n for n, tile in WEIGHT_TILINGS.items() if tile.columns < 2 * K and tile.rows < 2 * C * taps)
    name = next(fitting, "Small") if vectorized else "Small"
    tile = WEIGHT_TILINGS[name]
    grid = _ceil(C * taps, tile.rows), _ceil(K, tile.columns)
    count = slices(prod(grid) * product.groups, product.pixels, product.groups)
    geometry |= {"slices": count, "each": _ceil(product.pixels, count)}
    instance = f"<{product.cuda_type}, {name}, {'vector' if vectorized else 'scalar'}>"
    return ((count, product.groups, taps * C, K),
            SteadyLaunch(device, f"conv2d_weight_gradient{instance}", (*grid, product.groups * count),
                         strides(x), strides(dy), geometry),
            product.adding(prod(product.weight), count, K, C, taps))


@planned
def _bias_gradient(device: Any, arrays: Sequence, product: Products) -> tuple:
    """The shape of the partial sums, their launch, and that of their sum."""
    K = product.y[1]
    count = slices(_ceil(K, LANES), product.pixels, 1)
    geometry = product.geometry(product.x, product.y, slices=count, each=_ceil(product.pixels, count))
    return ((count, K), SteadyLaunch(device, f"conv2d_bias_gradient<{product.cuda_type}>",
                                     (_ceil(K, LANES), count, 1), strides(arrays[0]), geometry),
            product.adding(K, count, K, 1, 1))


@planned
def _relu_gradient(device: Any, arrays: Sequence, product: Products) -> SteadyLaunch:
    _, K, P, Q = product.y
    return SteadyLaunch(device, f"conv2d_relu_gradient<{product.cuda_type}>",
                        (_ceil(prod(product.y), THREADS), 1, 1), strides(arrays[0]), K, P, Q, prod(product.y))
