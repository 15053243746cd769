"""How blocks divide a convolution's products into tiles, and the instances of ``conv.cu`` that there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from cnnkit_cupy.launcher import In, Kernel, Out, Scalar, Struct, declare
from cnnkit_cupy.types import TYPES

__all__ = ["LANES", "LIMIT", "MOST", "PLACE", "THREADS", "TILINGS", "WEIGHT_TILINGS"]

LIMIT = 2**31 - 2**16  # an int of a kernel can number fewer than this, with tiles that hang over the edge
MOST = 65535           # blocks along the second and third axis of a grid
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
    _plain, _made = In(_dtype, aligned=16), Out(_dtype, optional=True)
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
                                  (_view, _view, Out("float32", optional=True), _made, _made,
                                   Out("uint32", optional=True), BY, BY, SHAPE, Scalar("int32")),
                                  shared=max(_tile.shared(_size), 4 * 33 * _tile.columns)
                                  + _tile.rows * _size + 16), ops=OPS)
    declare(
        Kernel("conv", f"conv2d_pack<{_t}>", (_any, _made, _made, BY, SHAPE, SHAPE, Scalar("int32")),
               shared=8 * 33 * 9 * (4 if _t == "float" else 2)),  # Turned in conv.cu
        Kernel("conv", f"conv2d_relu_gradient<{_t}>",
               (_any, In(_dtype), Out(_dtype), BY, *[Scalar("int32")] * 3, Scalar("int64"))), ops=OPS)
