"""Convolution on a CUDA device: tiles, readings, phases and slices. See `cnnkit.ops.conv` and ``conv.cu``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import gcd, prod
from typing import Any

from cnnkit.backends import backend_of, chose, decline, dtype_name
from cnnkit.ops.conv import conv as op
from cnnkit.ops.conv import conv_filters_backward, conv_input_backward
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import conv_output_shape
from cnnkit_cupy import gpus
from cnnkit_cupy.chains import then_relu
from cnnkit_cupy.choice import Choice, choose
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.conv_tiles import LANES, LIMIT, MOST, THREADS, TILINGS, WEIGHT_TILINGS
from cnnkit_cupy.gpus import GPUS, Gpu
from cnnkit_cupy.launcher import SteadyLaunch, contiguous, planned, strides
from cnnkit_cupy.types import TYPES

Array = Any
BLOCKS = 256           # as many blocks as the weight gradient is cut into: a few for each multiprocessor
SHORTEST = 1024        # pixels that a slice has at least: below, adding slices up costs more than it wins


def _ceil(n: int, unit: int) -> int:
    return -(-n // unit)


def tiling(rows: int, columns: int, groups: int, depth: int = 1024, gpu: Gpu = GPUS["A100"],
           itemsize: int = 4) -> Choice:
    """The tile for a product with sums over `depth`, by shapes and the GPU.

    >>> [tiling(*shape, 1).name for shape in ((64 * 56 * 56, 1024), (64 * 56 * 56, 64), (49, 128))]
    ['Large', 'Narrow', 'Small']
    """
    kind = "float32" if itemsize == 4 else "float32, 16 bits"
    return choose(gpu, TILINGS, kind, rows, columns, groups, depth)


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
    return convolve(x, weight, bias, needs, conv, relu=False)


def conv2d_input(dy: Array, weight: Array, *, needs: Sequence[bool], size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_input`."""
    if dy.ndim != 4:
        return by_rank_2(conv2d_input, (dy, weight), needs, {"size": size, **conv})
    product = products(dy, (dy.shape[0], weight.shape[1] * conv["groups"], *size), tuple(weight.shape), conv)
    if product is None:
        return decline(f"{dtype_name(dy.dtype)} of shape {tuple(dy.shape)}: another dtype, empty, "
                       "or more elements than its indices reach")
    return (product.input_gradient(dy, weight, None),
            conv_input_backward(dy, weight, needs, conv) if any(needs) else None)


def conv2d_filters(x: Array, dy: Array, *, needs: Sequence[bool], kernel_size: tuple, **conv: Any) -> Any:
    """See `cnnkit.ops.conv.conv_filters`."""
    if x.ndim != 4:
        return by_rank_2(conv2d_filters, (x, dy), needs, {"kernel_size": kernel_size, **conv})
    product = products(x, tuple(x.shape), (dy.shape[1], x.shape[1] // conv["groups"], *kernel_size), conv)
    if product is None:
        return decline(f"{dtype_name(x.dtype)} of shape {tuple(x.shape)}: another dtype, empty, "
                       "or more elements than its indices reach")
    return (product.weight_gradients(x, dy, True, False)[0],
            conv_filters_backward(x, dy, needs, conv) if any(needs) else None)


def products(like: Array, x: tuple, weight: tuple, conv: Mapping[str, Any],
             kind: Callable | None = None) -> Any:
    """The products of this kind (`Products`) of a convolution, for arrays like this; None if not served."""
    if dtype_name(like.dtype) not in TYPES:
        return None
    device: Any = cuda_of(like)
    return _products_of(kind or Products, device, like.dtype, x, weight, conv["stride"], conv["padding"],
                        conv["dilation"], conv["groups"])


@lru_cache(1024)
def _products_of(kind: Callable, device: Any, dtype: Any, x: tuple, weight: tuple,
                 *settings: Any) -> Products | None:
    product = kind(device, dtype, x, weight, conv_output_shape(x, weight, *settings), *settings)
    return None if product.too_large() else product


def convolve(x: Array, weight: Array, bias: Array | None, needs: Sequence[bool],
             conv: Mapping[str, Any], relu: bool, kind: Callable | None = None) -> Any:
    """The output and the backward of a convolution by the products of this kind, and of ReLU behind it."""
    product = products(x, tuple(x.shape), tuple(weight.shape), conv, kind)
    if product is None:
        return decline(f"{dtype_name(x.dtype)} of shape {tuple(x.shape)}: another dtype, empty, "
                       "or more elements than its indices reach")
    if bias is not None and bias.strides != (bias.dtype.itemsize,):
        bias = backend_of(x).namespace.asarray(bias, copy=True)
    y, packed = product.forward(x, weight, bias, relu, needs[0])
    chose(product.chosen)
    if not any(needs):
        return y, None
    x = x if needs[1] else None  # held for the weight's gradient alone, and the weight for the input's
    weight = weight if needs[0] else None
    output = y if relu else None

    def backward(dy: Array) -> tuple:
        dy = product.arranged(dy) if output is None else product.relu_gradient(dy, output)
        return (product.input_gradient(dy, weight, packed) if needs[0] else None,
                *product.weight_gradients(x, dy, needs[1], needs[2]))
    return y, backward


conv2d_relu = then_relu(op, convolve)  # the convolution's kernel applies ReLU to the sums that it writes


@dataclass(frozen=True, eq=False)
class Plan:
    """The tiled product of one convolution or input gradient.

    Attributes
    ----------
    size : (int,) or None
        Elements of its packed filters; ``None`` where it reads the filters as they are.
    columns : int
        Of the packed filters.
    blocks : (int, int)
        Of their packing, along y and z.
    geometry : dict
        The structure Shape.
    multiply : SteadyLaunch
    """

    size: tuple[int] | None
    columns: int
    blocks: tuple[int, int]
    geometry: dict[str, int]
    multiply: SteadyLaunch


@dataclass(frozen=True)
class Packed:
    """Filters that the forward packed for the input's gradient."""

    filters: Array
    columns: int


class Products:
    """The matrix products of one convolution: one forward, and one for each gradient."""

    chosen = ""  # the output's tile, and why, for `cnnkit.explain`

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
                           "depth": 0, "columns": 0, "relu": 0, "slices": 1, "slice_pixels": 0}
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

    def forward(self, x: Array, weight: Array, bias: Array | None, relu: bool,
                differentiable: bool) -> tuple[Array, Packed | None]:
        """The output, its channels last in memory; and the filters as the input's gradient reads them."""
        plan, gradient, pack = _forward(self.device, (x, weight, bias), self, relu, differentiable)
        packed = [None if p is None or p.size is None else self.device.empty(p.size, self.dtype, x)
                  for p in (plan, gradient)]
        if pack is not None:
            pack(weight, *packed)
        y = self.device.empty(self.y, self.dtype, x, channels_last=True)
        plan.multiply(x, weight if packed[0] is None else packed[0], bias, y)
        return y, None if packed[1] is None else Packed(packed[1], gradient.columns)

    def input_gradient(self, dy: Array, weight: Array, packed: Packed | None) -> Array:
        """A dense convolution of dy for each phase; with stride 1 there is one.

        `packed` are the filters from the forward, which did not know how dy would lie in memory.
        """
        plan, pack = _input_gradient(self.device, (dy, weight), self)
        filters = weight
        if plan.size is not None:
            if packed is not None and (packed.filters.shape, packed.columns) == (plan.size, plan.columns):
                filters = packed.filters
            else:
                filters = self.device.empty(plan.size, self.dtype, dy)
                pack(weight, None, filters)
        dx = self.device.empty(self.x, self.dtype, dy, channels_last=True)
        plan.multiply(dy, filters, None, dx)
        return dx

    def plan(self, access: str, weight: Array, by: tuple[int, ...], geometry: dict[str, int],
             pixels: Sequence[int], depth: int, phases: Sequence[int]) -> Plan:
        """The packed filters and the tiled product on them, of what is read by `access` with strides `by`.

        `pixels` and `depth` are those of a phase.
        """
        rows, z = pixels[0] * pixels[2] * pixels[3], self.groups * prod(phases)
        choice = tiling(rows, geometry["K"], z, depth, gpus.of(self.device, weight), self.itemsize)
        name = choice.name
        taps = prod(self.weight[2:])
        if access == "vector" and taps > TILINGS[name].taps:
            name = "Narrow"
        if access == "scalar" or taps > TILINGS[name].taps:
            access, name = "scalar", "Small"
        if (access == "vector" and self.weight[2:] == (1, 1) and self.stride == (1, 1)
                and not any(map(any, self.padding)) and self.readable(weight)):
            access = "pointwise"
        tile, unit = TILINGS[name], 32 // self.itemsize
        geometry["depth"], geometry["columns"] = (_ceil(depth, unit) * unit,
                                                  _ceil(geometry["K"], tile.columns) * tile.columns)
        multiply = SteadyLaunch(self.device, f"conv2d<{self.cuda_type}, {name}, {access}>",
                                (_ceil(rows, tile.rows), geometry["columns"] // tile.columns, z), by,
                                geometry)
        if not geometry["gradient"]:
            self.chosen = str(choice) if name == choice.name else f"{name} tiles, for filters of {taps}"
        # one unit of depth more than the matrices have: the last step prefetches beyond their end
        size = None if access == "pointwise" else ((z * geometry["depth"] + unit) * geometry["columns"],)
        return Plan(size, geometry["columns"], (_ceil(geometry["C"] + unit - 1, 8), z), geometry, multiply)

    def readable(self, weight: Array) -> bool:
        """Whether filters of one element can be read as they are, 16 bytes of channels at once."""
        return (contiguous(weight) and self.weight[1] % (16 // self.itemsize) == 0
                and self.device.address(weight) % 16 == 0)

    def packing(self, weight: Array, forward: Plan | None, gradient: Plan | None) -> SteadyLaunch | None:
        """The launch that packs filters for one product or for both; none where nothing is to be packed."""
        plans = [None if p is None or p.size is None else p for p in (forward, gradient)]
        needed = [p for p in plans if p is not None]
        if not needed:
            return None
        grid = (max(p.columns for p in needed) // LANES, max(p.blocks[0] for p in needed),
                sum(p.blocks[1] for p in needed))
        return SteadyLaunch(self.device, f"conv2d_pack<{self.cuda_type}>", grid, strides(weight),
                            *((p or needed[0]).geometry for p in plans),
                            plans[0].blocks[1] if plans[0] else 0)

    def weight_gradients(self, x: Array | None, dy: Array, weight: bool, bias: bool) -> tuple:
        """The gradients of weight and bias that are needed: sums over the pixels, in slices."""
        if not (weight or bias):
            return None, None
        x = dy if x is None else x  # for the bias's gradient alone, which does not read it
        counters, partial, multiply = _weight_gradient(self.device, (x, dy), self, weight, bias)
        total = self.device.empty(self.weight, self.dtype, dy) if weight else None
        bias_total = self.device.empty(self.y[1:2], self.dtype, dy) if bias else None
        sums = counter = None
        if counters:
            sums = self.device.empty(partial, "float32", dy)
            counter = self.device.counters(counters, dy)
        multiply(x, dy, sums, total, bias_total, counter)
        return total, bias_total

    def arranged(self, dy: Array) -> Array:
        """`dy` in the order in which the gradients' products read it: any."""
        return dy

    @property
    def pixels(self) -> int:
        """How many pixels the output has."""
        return self.y[0] * self.y[2] * self.y[3]

    def relu_gradient(self, dy: Array, y: Array) -> Array:
        """The gradient before the ReLU that follows the convolution, with the channels last."""
        N, K, P, Q = self.y
        permute = backend_of(dy).namespace.permute_dims
        masked = self.device.empty((N, P, Q, K), self.dtype, dy)
        _relu_gradient(self.device, (dy,), self)(dy, permute(y, (0, 2, 3, 1)), masked)
        return permute(masked, (0, 3, 1, 2))


@planned
def _forward(device: Any, arrays: Sequence, product: Products, relu: bool, differentiable: bool) -> tuple:
    """The plans of output and input gradient (``None`` if nobody needs it), and the launch that packs.

    That gradient is planned for a dy that has its channels last, as it mostly has.
    """
    x, weight, _ = arrays
    geometry = product.geometry(product.x, product.y, relu=int(relu))
    access = reading(device, x, geometry["C"], product.reach)
    plan = product.plan(access, weight, strides(x), geometry, product.y, prod(product.weight[1:]), (1, 1))
    gradient = None
    if differentiable:
        _, K, P, Q = product.y
        by = P * Q * K, 1, Q * K, K
        access = "scalar" if K // product.groups % (16 // product.itemsize) else "vector"
        gradient = _gradient_plan(product, access, weight, by)
    return plan, gradient, product.packing(weight, plan, gradient)


@planned
def _input_gradient(device: Any, arrays: Sequence, product: Products) -> tuple:
    """The plan of the product, and the launch that packs the filters."""
    dy, weight = arrays
    access = reading(device, dy, product.y[1] // product.groups, product.reach)
    plan = _gradient_plan(product, access, weight, strides(dy))
    return plan, product.packing(weight, None, plan)


def _gradient_plan(product: Products, access: str, weight: Array, by: tuple[int, ...]) -> Plan:
    phases, common = product.phases, product.common
    taps = prod(_ceil(size, step // divisor)
                for size, step, divisor in zip(product.weight[2:], product.stride, common))
    geometry = product.geometry(product.y, product.x, gradient=1, phases_h=phases[0], phases_w=phases[1],
                                common_h=common[0], common_w=common[1])
    phase_shape = (product.x[0], 0, *map(_ceil, product.x[2:], product.stride))
    return product.plan(access, weight, by, geometry, phase_shape, taps * geometry["C"], phases)


@planned
def _weight_gradient(device: Any, arrays: Sequence, product: Products, weight: bool, bias: bool) -> tuple:
    """How many counters it needs, the shape of the tiles' sums, and the launch."""
    (x, dy), geometry = arrays, product.geometry(product.x, product.y)
    K, C, taps = geometry["K"], geometry["C"], prod(product.weight[2:])
    vectorized = (weight and reading(device, x, C, product.reach) == "vector"
                  and reading(device, dy, K, product.y[2:]) == "vector")
    fitting = (n for n, tile in WEIGHT_TILINGS.items() if tile.columns < 2 * K and tile.rows < 2 * C * taps)
    name = next(fitting, "Small") if vectorized else "Small"
    tile = WEIGHT_TILINGS[name]
    tiles = _ceil(C * taps, tile.rows) if weight else 0
    grid = tiles + bias, _ceil(K, tile.columns)
    count = slices((tiles or 1) * grid[1] * product.groups, product.pixels, product.groups)
    geometry |= {"slices": count, "slice_pixels": _ceil(product.pixels, count)}
    instance = f"<{product.cuda_type}, {name}, {'vector' if vectorized else 'scalar'}>"
    sums = count, product.groups, taps * C + (bias and count > 1), K
    return (prod(grid) * product.groups if weight or count > 1 else 0, sums,
            SteadyLaunch(device, f"conv2d_weight_gradient{instance}", (*grid, product.groups * count),
                         strides(x), strides(dy), geometry, tiles))


@planned
def _relu_gradient(device: Any, arrays: Sequence, product: Products) -> SteadyLaunch:
    _, K, P, Q = product.y
    return SteadyLaunch(device, f"conv2d_relu_gradient<{product.cuda_type}>",
                        (_ceil(prod(product.y), THREADS), 1, 1), strides(arrays[0]), K, P, Q, prod(product.y))
