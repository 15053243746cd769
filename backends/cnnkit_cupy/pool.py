"""Pooling on a CUDA device: the kernel and the windows of each op of `cnnkit.ops.pool`.

Outputs have the channels last in memory. A thread takes 16 bytes of channels where every array that it reads
lets it, else one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any

from cnnkit.backends import decline, dtype_name
from cnnkit.ops.rank import by_rank_2
from cnnkit.shapes import pool_output_shape
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.launcher import Kernel, declare, launch
from cnnkit_cupy.parameters import In, Out, Struct, strides
from cnnkit_cupy.types import TYPES, lanes_of, per_access

Array = Any
# dtype and CUDA type of an argmax: one byte where the window has at most 255 elements
SMALL, LARGE = ("uint8", "unsigned char"), ("int32", "int")
THREADS, MOST_ROWS = 256, 32
BOUNDS = "the bounds of its windows are no 32-bit numbers"
LIMIT = 2**31 - 2 * THREADS  # elements from which on an int cannot number them

VIEW, WINDOWS = Struct("Strides"), Struct("Windows")
MAX = ("max_pool", "max_pool_with_indices", "adaptive_max_pool", "adaptive_max_pool_with_indices")
for (_dtype, _t), _i in product(TYPES.items(), ("int", "long long")):
    _out = Out(_dtype, channels_last=True)
    for _n in (1, per_access(_dtype)):
        _in = In(_dtype, strided=True, aligned=16 if _n > 1 else 0)
        declare(Kernel("pool", f"avg_pool2d<{_t}, {_i}, {_n}>", (_in, _out, VIEW, WINDOWS), shared=1024 * _n),
                Kernel("pool", f"avg_pool2d_backward<{_t}, {_i}, {_n}>",
                       (_in, _out, VIEW, WINDOWS), launch_bounds=(256, 4)),
                ops=("avg_pool", "adaptive_avg_pool"))
    for (_arg, _a), _n in ((SMALL, 1), (SMALL, per_access(_dtype)), (LARGE, 1)):
        _in = In(_dtype, strided=True, aligned=16 if _n > 1 else 0)
        _taken, _numbers = Out(_arg, True, channels_last=True), Out("int64", True, channels_last=True)
        declare(Kernel("pool", f"max_pool2d<{_t}, {_a}, {_i}, {_n}>",
                       (_in, _out, _taken, _numbers, VIEW, WINDOWS)),
                Kernel("pool", f"max_pool2d_backward<{_t}, {_a}, {_i}, {_n}>",
                       (_in, In(_arg, strided=True), _out, VIEW, WINDOWS), launch_bounds=(256, 4)), ops=MAX)


def index_type(*shapes: Sequence[int]) -> str:
    """What numbers the elements of these shapes: int, or long long where it would overflow."""
    return "int" if all(prod(shape) < LIMIT for shape in shapes) else "long long"


def rows(area: int, width: int) -> int:
    """How many threads share an averaged window of `area` elements; each thread takes `width` bytes."""
    limit = MOST_ROWS if width == 16 else 8  # a warp's accesses should fill whole sectors
    return max(n for n in (1, 2, 4, 8, 16, 32) if n <= limit and (n == 1 or 4 * n <= area))


class Windows:
    """The windows of one call, and the launches over them.

    Parameters
    ----------
    x : array, (N, C, H, W)
        What is pooled.
    shape : sequence of int
        (N, C, P, Q).
    kernel_size : pair of int
        Of the largest window.
    settings : int
        The structure's other fields; those that are not given are 0, or 1 for strides and dilations.
    """

    def __init__(self, x: Array, shape: Sequence[int], kernel_size: Sequence[int], **settings: int):
        self.device, self.cuda_type, self.dtype = cuda_of(x), TYPES[dtype_name(x.dtype)], x.dtype
        self.size, self.shape, self.area = tuple(x.shape), tuple(shape), prod(kernel_size)
        self.index = index_type(self.size, self.shape)
        self.fields = {**dict.fromkeys(("top", "bottom", "left", "right",
                                        "adaptive", "include_pad", "divisor"), 0),
                       **dict.fromkeys(("stride_h", "stride_w", "dilation_h", "dilation_w", "rows"), 1),
                       **settings, **dict(zip("CHWPQRS", (*self.size[1:], *self.shape[2:], *kernel_size)))}

    @classmethod
    def placed(cls, x: Array, kernel_size: tuple, stride: tuple, padding: tuple, ceil_mode: bool,
               dilation: tuple = (1, 1), **settings: int) -> Windows:
        """Windows of one size, `stride` apart."""
        (top, bottom), (left, right) = padding
        shape = pool_output_shape(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
        return cls(x, shape, kernel_size, stride_h=stride[0], stride_w=stride[1], dilation_h=dilation[0],
                   dilation_w=dilation[1], top=top, bottom=bottom, left=left, right=right, **settings)

    @classmethod
    def adaptive(cls, x: Array, output_size: Sequence[int | None]) -> Windows | None:
        """As many windows as `output_size` says; ``None`` where their bounds overflow an int."""
        size = [length if n is None else n for length, n in zip(x.shape[2:], output_size)]
        if any(length * n >= 2**31 for length, n in zip(x.shape[2:], size)):
            return None
        longest = [max((-(-(p + 1) * length // n) - p * length // n for p in range(n)), default=1)
                   for length, n in zip(x.shape[2:], size)]
        return cls(x, (*x.shape[:2], *size), longest, adaptive=1)

    def empty(self, shape: Sequence[int], dtype: Any, like: Array) -> Array:
        """A new array with the channels last."""
        return self.device.empty(tuple(shape), dtype, like, channels_last=True)

    def launch(self, kernel: str, lanes: int, source: Array, *arrays: Array | None,
               output_shape: Sequence[int], rows: int = 1) -> None:
        """Launch one thread, or `rows` of them, for each `lanes` elements of the output."""
        count = prod(output_shape) // lanes
        launch(self.device, kernel, (-(-count * rows // THREADS), 1, 1), source, *arrays, strides(source),
               {**self.fields, "rows": rows, "count": count})

    # -- maximum ---------------------------------------------------------------------------------------------

    def max(self, x: Array, needs: Sequence[bool], with_indices: bool) -> tuple:
        """The result of a max-pooling op with indices, which are ``None`` where they are not wanted."""
        arg_dtype, arg = SMALL if self.area <= 255 else LARGE
        y = self.empty(self.shape, self.dtype, x)
        argmax = self.empty(self.shape, arg_dtype, x) if needs[0] else None
        indices = self.empty(self.shape, "int64", x) if with_indices else None

        def lanes(array: Array) -> int:
            return lanes_of(self.device, array) if arg == SMALL[1] else 1
        n = lanes(x)
        self.launch(f"max_pool2d<{self.cuda_type}, {arg}, {self.index}, {n}>", n, x, y, argmax,
                    indices, output_shape=self.shape)

        def backward(dy: Array) -> tuple:
            dx, n = self.empty(self.size, self.dtype, dy), lanes(dy)
            self.launch(f"max_pool2d_backward<{self.cuda_type}, {arg}, {self.index}, {n}>", n, dy,
                        argmax, dx, output_shape=self.size)
            return (dx,)
        return (y, indices), backward if needs[0] else None

    # -- average ---------------------------------------------------------------------------------------------

    def average(self, x: Array, needs: Sequence[bool]) -> tuple[Array, Callable | None]:
        """The result of an average-pooling op."""
        y, n = self.empty(self.shape, self.dtype, x), lanes_of(self.device, x)
        self.launch(f"avg_pool2d<{self.cuda_type}, {self.index}, {n}>", n, x, y, output_shape=self.shape,
                    rows=rows(self.area, n * x.dtype.itemsize))

        def backward(dy: Array) -> tuple:
            dx, n = self.empty(self.size, self.dtype, dy), lanes_of(self.device, dy)
            self.launch(f"avg_pool2d_backward<{self.cuda_type}, {self.index}, {n}>", n, dy, dx,
                        output_shape=self.size)
            return (dx,)
        return y, backward if needs[0] else None


def max_pool2d(x: Array, *, needs: Sequence[bool], **attrs: Any) -> Any:
    """See `cnnkit.ops.pool.max_pool`."""
    return _without_indices(max_pool2d_with_indices(x, needs=needs, indices=False, **attrs))


def max_pool2d_with_indices(x: Array, *, needs: Sequence[bool], indices: bool = True, **attrs: Any) -> Any:
    """See `cnnkit.ops.pool.max_pool_with_indices`."""
    if x.ndim != 4:
        return by_rank_2(max_pool2d_with_indices, (x,), needs, {"indices": indices, **attrs})
    return Windows.placed(x, **attrs).max(x, needs, indices) if dtype_name(x.dtype) in TYPES else _decline(x)


def adaptive_max_pool2d(x: Array, *, needs: Sequence[bool], output_size: tuple) -> Any:
    """See `cnnkit.ops.adaptive_pool.adaptive_max_pool`."""
    return _without_indices(
        adaptive_max_pool2d_with_indices(x, needs=needs, output_size=output_size, indices=False))


def adaptive_max_pool2d_with_indices(x: Array, *, needs: Sequence[bool], output_size: tuple,
                                     indices: bool = True) -> Any:
    """See `cnnkit.ops.adaptive_pool.adaptive_max_pool_with_indices`."""
    if x.ndim != 4:
        return by_rank_2(adaptive_max_pool2d_with_indices, (x,), needs,
                         {"indices": indices, "output_size": output_size})
    windows = Windows.adaptive(x, output_size) if dtype_name(x.dtype) in TYPES else None
    return _decline(x) if windows is None else windows.max(x, needs, indices)


def _without_indices(result: Any) -> Any:
    """A kernel's result without the indices."""
    return result if result is NotImplemented else (result[0][0], result[1])


def avg_pool2d(x: Array, *, needs: Sequence[bool], **attrs: Any) -> Any:
    """See `cnnkit.ops.pool.avg_pool`."""
    if x.ndim != 4:
        return by_rank_2(avg_pool2d, (x,), needs, attrs)
    divisor = attrs.pop("divisor_override") or 0
    if dtype_name(x.dtype) not in TYPES or abs(divisor) >= 1 << 24:  # beyond, an int is not exact as a float
        return _decline(x)
    return Windows.placed(x, include_pad=int(attrs.pop("count_include_pad")),
                          divisor=divisor, **attrs).average(x, needs)


def adaptive_avg_pool2d(x: Array, *, needs: Sequence[bool], output_size: tuple) -> Any:
    """See `cnnkit.ops.adaptive_pool.adaptive_avg_pool`."""
    if x.ndim != 4:
        return by_rank_2(adaptive_avg_pool2d, (x,), needs, {"output_size": output_size})
    windows = Windows.adaptive(x, output_size) if dtype_name(x.dtype) in TYPES else None
    return _decline(x) if windows is None else windows.average(x, needs)


def _decline(x: Array) -> Any:
    return decline(f"{dtype_name(x.dtype)} of shape {tuple(x.shape)}; "
                   f"it serves {', '.join(TYPES)}, numbered by an int")
