"""Convolution on tensor cores; see `cnnkit.ops.conv` and ``conv_tensor.cu``.

They multiply 16-bit numbers; with ``cnnkit.precision("tf32")`` float32's too, rounded to TF32's 10 bits
behind the point, with "tf32x3" taken apart into two such numbers. It serves shapes whose channels can be read
16 bytes at once, on devices from compute capability 8.0 on; arrays in another order get their channels last
first. What does not fit is for `cnnkit_cupy.conv`, gradients too, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from cnnkit.backends import decline, dtype_name, precision_level
from cnnkit.ops.conv import conv as op
from cnnkit.ops.conv import conv_filters_backward, conv_input_backward
from cnnkit.ops.rank import by_rank_2
from cnnkit_cupy import gpus
from cnnkit_cupy.chains import then_relu
from cnnkit_cupy.choice import Choice, choose
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.conv import Products, convolve, products, reading, slices
from cnnkit_cupy.conv_tiles import BY, LIMIT, PLACE, SHAPE
from cnnkit_cupy.gpus import GPUS, Gpu
from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, SteadyLaunch, declare, planned, strides
from cnnkit_cupy.types import TYPES

Array = Any
ARCH = 80        # Ampere
TAPS = 49        # filters have at most so many elements: a block's table has no room for more
DEPTH = 64       # bytes of a tile's depth
FILTERS, CHANNELS, PACKED_TAPS = 32, 16, 16  # what a block packs, as in the source


@dataclass(frozen=True)
class TensorTiling:
    """How a block divides its part of the product; as TensorTiling in ``tensor_product.cuh``."""

    rows: int
    columns: int
    warp_rows: int
    warp_columns: int
    stages: int
    blocks: int

    @property
    def threads(self) -> int:
        return 32 * self.rows * self.columns // (self.warp_rows * self.warp_columns)

    @property
    def arriving(self) -> int:
        """Bytes of all stages."""
        return self.stages * DEPTH * (self.rows + self.columns)

    @property
    def shared(self) -> int:
        """Bytes of a block's shared memory, for elements of 2 bytes."""
        result = 2 * self.rows * self.columns + 8 * self.rows
        return _ceil(max(self.arriving, result) + PLACE + 16 * (TAPS + 4), 128) * 128

    @property
    def weight_shared(self) -> int:
        """Bytes of a block's shared memory in the weight gradient."""
        return _ceil(max(self.arriving, 4 * 33 * self.columns) + 4, 128) * 128


def _ceil(n: int, unit: int) -> int:
    return -(-n // unit)


TILINGS = {"TensorLarge": TensorTiling(128, 128, 64, 32, 3, 2),
           "TensorNarrow": TensorTiling(128, 64, 64, 32, 4, 2),
           "TensorSmall": TensorTiling(64, 64, 64, 32, 3, 3),
           "TensorThin": TensorTiling(128, 32, 64, 32, 3, 3)}
# the tiles for float32, and with a 3 behind their names for three products: others have too few registers for
# it, or too few products in their loop
FLOATS = ("TensorNarrow", "TensorSmall")
# of the weight gradient: the larger and the smaller one, by the size of an element
WEIGHT_TILINGS = {2: {name: TILINGS[name] for name in ("TensorLarge", "TensorSmall")},
                  4: {"TensorWide": TensorTiling(128, 128, 64, 64, 3, 2),
                      "TensorTall": TensorTiling(128, 64, 64, 64, 3, 2)}}
OPS = ("conv", "conv_filters", "conv_input", "relu")
for _dtype, _t in TYPES.items():
    _size, _wide = 4 if _dtype == "float32" else 2, In(_dtype, strided=True, aligned=16)
    for _name, _tile in TILINGS.items():
        for _instance in (_name,) if _size == 2 else (_name, f"{_name}3") if _name in FLOATS else ():
            declare(Kernel("conv_tensor", f"conv2d_tensor<{_t}, {_instance}>",
                           (_wide, In(_dtype, aligned=16), In(_dtype, optional=True),
                            Out(_dtype, channels_last=True), BY, SHAPE), block=(_tile.threads, 1, 1),
                           launch_bounds=(_tile.threads, _tile.blocks), arch=ARCH, dynamic=_tile.shared),
                    ops=OPS)
    for _name, _tile in WEIGHT_TILINGS[_size].items():
        _gradient = Out(_dtype, optional=True)
        for _instance in (_name,) if _size == 2 else (_name, f"{_name}3"):
            declare(Kernel("conv_tensor_weights", f"conv2d_tensor_weight_gradient<{_t}, {_instance}>",
                           (_wide, _wide, Out("float32", optional=True), _gradient, _gradient,
                            Out("uint32", optional=True), BY, BY, SHAPE, Scalar("int32")),
                           block=(_tile.threads, 1, 1), launch_bounds=(_tile.threads, _tile.blocks),
                           arch=ARCH, dynamic=_tile.weight_shared), ops=OPS)
    declare(Kernel("conv_tensor", f"channels_last<{_t}>",
                   (In(_dtype, strided=True), Out(_dtype, channels_last=True), BY, *[Scalar("int32")] * 3,
                    Scalar("int64")), shared=_size * 32 * (32 + 4 // _size), arch=ARCH), ops=OPS)
    _packed, _wider = Out(_dtype, aligned=16, optional=True), CHANNELS + (4 if _size == 2 else 0)
    declare(Kernel("conv_tensor", f"conv2d_pack_columns<{_t}>",
                   (In(_dtype, strided=True), _packed, _packed, BY, SHAPE, SHAPE, Scalar("int32")),
                   shared=_size * FILTERS * (_wider * PACKED_TAPS + 2), arch=ARCH), ops=OPS)


def tiling(rows: int, columns: int, groups: int, itemsize: int = 2, depth: int = 1024,
           gpu: Gpu = GPUS["A100"]) -> Choice:
    """The tile for a product with sums over `depth`, by shapes and the GPU.

    >>> [tiling(32 * 56 * 56, columns, 1).name for columns in (128, 64, 24)]
    ['TensorLarge', 'TensorNarrow', 'TensorThin']
    """
    kind, names = ("16 bits", tuple(TILINGS)) if itemsize == 2 else ("tf32", FLOATS)
    return choose(gpu, {name: TILINGS[name] for name in names}, kind, rows, columns, groups, depth)


def weight_tiling(rows: int, columns: int, itemsize: int) -> str:
    """The tile for a weight gradient, by shapes only: the larger one unless it is mostly empty.

    >>> weight_tiling(9 * 64, 64, 2), weight_tiling(9 * 64, 128, 2), weight_tiling(9 * 64, 128, 4)
    ('TensorSmall', 'TensorLarge', 'TensorWide')
    """
    larger, smaller = WEIGHT_TILINGS[itemsize]
    tile = WEIGHT_TILINGS[itemsize][larger]
    return larger if tile.columns < 2 * columns and tile.rows < 2 * rows else smaller


def conv2d(x: Array, weight: Array, bias: Array | None, *, needs: Sequence[bool], **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv`."""
    if x.ndim != 4:
        return by_rank_2(conv2d, (x, weight, bias), needs, conv)
    return _convolve(x, weight, bias, needs, conv, relu=False)


def conv2d_input(dy: Array, weight: Array, *, needs: Sequence[bool], size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_input`."""
    if dy.ndim != 4:
        return by_rank_2(conv2d_input, (dy, weight), needs, {"size": size, **conv})
    if (reason := _unfit(dy, weight.shape)) is not None:
        return decline(reason)
    product = products(dy, (dy.shape[0], weight.shape[1] * conv["groups"], *size), tuple(weight.shape), conv,
                       _kind(dy))
    if product is None or not product.reads(dy := product.arranged(dy)):
        return decline(_unread(dy))
    return (product.input_gradient(dy, weight, None),
            conv_input_backward(dy, weight, needs, conv) if any(needs) else None)


def conv2d_filters(x: Array, dy: Array, *, needs: Sequence[bool], kernel_size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_filters`."""
    if x.ndim != 4:
        return by_rank_2(conv2d_filters, (x, dy), needs, {"kernel_size": kernel_size, **conv})
    weight = dy.shape[1], x.shape[1] // conv["groups"], *kernel_size
    if (reason := _unfit(x, weight)) is not None:
        return decline(reason)
    product = products(x, tuple(x.shape), weight, conv, _kind(x))
    if product is None or not (product.reads(x := product.arranged(x))
                               and product.reads(dy := product.arranged(dy))):
        return decline(_unread(x))
    return (product.weight_gradients(x, dy, True, False)[0],
            conv_filters_backward(x, dy, needs, conv) if any(needs) else None)


def _convolve(x: Array, weight: Array, bias: Array | None, needs: Sequence[bool],
              conv: Mapping[str, Any], relu: bool) -> Any:
    if (reason := _unfit(x, weight.shape)) is not None:
        return decline(reason)
    kind = _kind(x)
    product = products(x, tuple(x.shape), tuple(weight.shape), conv, kind)
    if product is None or not product.reads(x := product.arranged(x)):
        return decline(_unread(x))
    return convolve(x, weight, bias, needs, conv, relu, kind)


conv2d_relu = then_relu(op, _convolve)


def _unfit(x: Array, weight: Sequence[int]) -> str | None:
    """Why tensor cores do not serve a convolution whatever the layout, or None."""
    if (dtype := dtype_name(x.dtype)) == "float32" and precision_level() not in KINDS:
        return 'float32; tensor cores serve it with cnnkit.precision("tf32") or ("tf32x3")'
    if dtype not in TYPES:
        return f"{dtype}; tensor cores serve {', '.join(TYPES)}"
    if (taps := prod(weight[2:])) > TAPS:
        return f"filters of {taps} elements; tensor cores serve up to {TAPS}"
    if (capability := cuda_of(x).capability(x)) < ARCH:
        return f"compute capability {capability / 10}; tensor cores need {ARCH / 10}"
    return None


def _unread(x: Array) -> str:
    return (f"{dtype_name(x.dtype)} of shape {tuple(x.shape)}: its channels cannot be read 16 bytes at once, "
            "or it is empty, or has more elements than the indices reach")


class TensorProducts(Products):
    """The products of one convolution, on tensor cores where they fit."""

    three = False  # whether a product of float32 is made of three of TF32

    def reads(self, array: Array) -> bool:
        """Whether 16 bytes of neighbouring channels of the array can be read at once."""
        if reading(self.device, array, array.shape[1] // self.groups, self.reach) != "vector":
            return False
        _, _, h, w = array.strides  # in bytes, which an int numbers
        return abs(h) * self.reach[0] + abs(w) * self.reach[1] + array.shape[1] * self.itemsize < LIMIT

    def arranged(self, dy: Array) -> Array:
        """`dy`, or another array that a product reads, with its channels last if that lets it be read."""
        if self.reads(dy) or dy.shape[1] // self.groups % (16 // self.itemsize) or not dy.size:
            return dy
        turned = self.device.empty(dy.shape, self.dtype, dy, channels_last=True)
        _turning(self.device, (dy,), self)(dy, turned)
        return turned

    def forward(self, x: Array, weight: Array, bias: Array | None, relu: bool,
                differentiable: bool) -> tuple[Array, Any]:
        """The output, its channels last in memory; and the filters as the input's gradient reads them."""
        launch, sizes, pack = _forward(self.device, (x, weight, bias), self, relu, differentiable)
        packed = [None if size is None else self.device.empty((size,), self.dtype, x) for size in sizes]
        pack(weight, *packed)
        y = self.device.empty(self.y, self.dtype, x, channels_last=True)
        launch(x, packed[0], bias, y)
        return y, packed[1]

    def input_gradient(self, dy: Array, weight: Array, packed: Any) -> Array:
        """Dense convolutions of dy, as `Products.input_gradient` says."""
        if not self.reads(dy):
            return super().input_gradient(dy, weight, None)
        launch, size, pack = _input_gradient(self.device, (dy, weight), self)
        if packed is None:
            packed = self.device.empty((size,), self.dtype, dy)
            pack(weight, None, packed)
        dx = self.device.empty(self.x, self.dtype, dy, channels_last=True)
        launch(dy, packed, None, dx)
        return dx

    def weight_gradients(self, x: Array | None, dy: Array, weight: bool, bias: bool) -> tuple:
        """The gradients of weight and bias that are needed: sums over the pixels, in slices."""
        if not weight or x is None or not (self.reads(x) and self.reads(dy)):
            return super().weight_gradients(x, dy, weight, bias)
        counters, partial, launch = _weight_gradient(self.device, (x, dy), self, bias)
        total = self.device.empty(self.weight, self.dtype, dy)
        bias_total = self.device.empty(self.y[1:2], self.dtype, dy) if bias else None
        launch(x, dy, self.device.empty(partial, "float32", dy), total, bias_total,
               self.device.counters(counters, dy))
        return total, bias_total

    def product(self, like: Array, pixels: Sequence[int], z: int, by: tuple[int, ...],
                geometry: dict[str, int]) -> SteadyLaunch:
        """The tiled product for a result, or a phase, of this shape."""
        rows, columns = pixels[0] * pixels[2] * pixels[3], geometry["K"]
        choice = tiling(rows, columns, z, self.itemsize, geometry["depth"], gpus.of(self.device, like))
        name, tile = choice.name, TILINGS[choice.name]
        if not geometry["gradient"]:
            self.chosen = str(choice)
        return SteadyLaunch(self.device, f"conv2d_tensor<{self.cuda_type}, {name}{'3' * self.three}>",
                            (_ceil(rows, tile.rows), _ceil(columns, tile.columns), z), by, geometry)

    def columns_packing(self, weight: Array) -> SteadyLaunch:
        """The launch that packs filters for the output, the input's gradient, or both."""
        output, gradient = self.output, self.gradient
        grid = _ceil(output["K"], FILTERS), _ceil(output["C"], CHANNELS), self.groups
        return SteadyLaunch(self.device, f"conv2d_pack_columns<{self.cuda_type}>", grid, strides(weight),
                            output, gradient, int(not self.three))

    @property
    def output(self) -> dict[str, int]:
        """The structure Shape of the output's product."""
        return self.geometry(self.x, self.y, depth=prod(self.weight[1:]))

    @property
    def gradient(self) -> dict[str, int]:
        """The structure Shape of the input gradient's."""
        outer, (vertical, horizontal), common = self.y[1] // self.groups, self.phases, self.common
        taps = prod(_ceil(size, step // divisor)
                    for size, step, divisor in zip(self.weight[2:], self.stride, common))
        return self.geometry(self.y, self.x, gradient=1, phases_h=vertical, phases_w=horizontal,
                             common_h=common[0], common_w=common[1], depth=taps * outer)

    @property
    def gradient_size(self) -> int:
        """How many elements the filters have that are packed for the input's gradient."""
        return prod(self.phases) * self.x[1] * self.gradient["depth"]


class ThreeProducts(TensorProducts):
    """Those of float32, whose factors are taken apart into two numbers of TF32."""

    three = True


KINDS = {"tf32": TensorProducts, "tf32x3": ThreeProducts}  # for float32, by `cnnkit.precision`


def _kind(like: Array) -> type[TensorProducts]:
    """The products of arrays like this."""
    return KINDS[precision_level()] if dtype_name(like.dtype) == "float32" else TensorProducts


@planned
def _turning(device: Any, arrays: Sequence, product: TensorProducts) -> SteadyLaunch:
    """The launch that gives an array its channels last."""
    N, C, H, W = arrays[0].shape
    grid = _ceil(N * H * W, 32), _ceil(C, 32), 1
    return SteadyLaunch(device, f"channels_last<{product.cuda_type}>", grid, strides(arrays[0]), C, H, W,
                        N * H * W)


@planned
def _forward(device: Any, arrays: Sequence, product: TensorProducts, relu: bool,
             differentiable: bool) -> tuple:
    """The product, the sizes of the filters as output and input gradient read them, the launch that packs."""
    x, weight, _ = arrays
    launch = product.product(x, product.y, product.groups, strides(x), {**product.output, "relu": int(relu)})
    packs = differentiable and product.y[1] // product.groups % (16 // product.itemsize) == 0
    sizes = prod(product.weight), product.gradient_size if packs else None
    return launch, sizes, product.columns_packing(weight)


@planned
def _input_gradient(device: Any, arrays: Sequence, product: TensorProducts) -> tuple:
    """The product, the size of its filters, and the launch that packs them."""
    dy, weight = arrays
    phase = (product.x[0], 0, *map(_ceil, product.x[2:], product.stride))
    launch = product.product(dy, phase, product.groups * prod(product.phases), strides(dy), product.gradient)
    return launch, product.gradient_size, product.columns_packing(weight)


@planned
def _weight_gradient(device: Any, arrays: Sequence, product: TensorProducts, bias: bool) -> tuple:
    """How many counters it needs, the shape of the tiles' sums, and the launch."""
    (x, dy), geometry = arrays, product.geometry(product.x, product.y)
    K, rows = geometry["K"], geometry["C"] * prod(product.weight[2:])
    name = weight_tiling(rows, K, product.itemsize)
    tile = WEIGHT_TILINGS[product.itemsize][name]
    tiles = _ceil(rows, tile.rows)
    grid = tiles + bias, _ceil(K, tile.columns)
    count = slices(tiles * grid[1] * product.groups, product.pixels, product.groups)
    geometry |= {"slices": count, "slice_pixels": _ceil(product.pixels, count)}
    launch = SteadyLaunch(
        device, f"conv2d_tensor_weight_gradient<{product.cuda_type}, {name}{'3' * product.three}>",
        (*grid, product.groups * count), strides(x), strides(dy), geometry, tiles)
    return prod(grid) * product.groups, (count, product.groups, rows + (bias and count > 1), K), launch
