"""Which tile a product gets: the fastest by `cnnkit_cupy.cost`, or by measurement where there is one.

A choice depends on shapes and on the GPU alone. No bit depends on it: a sum of `conv.cu` and `conv_tensor.cu`
runs over its depth from first to last whatever the tile. So it does not choose how a weight's gradient is cut
into slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cnnkit_cupy.cost import MACS, WARP, Product, ffma_share, instructions_per_mma
from cnnkit_cupy.gpus import Gpu

__all__ = ["Choice", "Measured", "choose", "measured", "noted_products", "tensor_product", "tiled_product"]


UNSURE = 0.1  # of two tiles that are as near the one with fewer empty columns is taken, which packs less


def _ceil(n: int, unit: int) -> int:
    return -(-n // unit)


@dataclass(frozen=True)
class Choice:
    """A tile, and why: the seconds of each that there is, predicted or measured.

    >>> print(Choice("Narrow", {"Large": 31e-6, "Narrow": 24e-6}, False))
    Narrow tiles (predicted us: Narrow 24, Large 31)
    """

    name: str
    seconds: Mapping[str, float]
    measured: bool

    def __str__(self) -> str:
        times = ", ".join(f"{name} {1e6 * seconds:.3g}"
                          for name, seconds in sorted(self.seconds.items(), key=lambda item: item[1]))
        return f"{self.name} tiles ({'measured' if self.measured else 'predicted'} us: {times})"


class Measured(dict):
    """The seconds of tiles that were measured on this machine, by `key`; `cnnkit_cupy.autotune` fills it."""

    @staticmethod
    def key(gpu: Gpu, kind: str, rows: int, columns: int, z: int, depth: int) -> str:
        """How a product is found again.

        >>> from cnnkit_cupy.gpus import GPUS
        >>> Measured.key(GPUS["A100"], "float32", 6272, 64, 1, 576)
        'A100 x108: float32 6272x64x576 x1'
        """
        return f"{gpu.name} x{gpu.multiprocessors}: {kind} {rows}x{columns}x{depth} x{z}"


measured = Measured()
_notes: list[dict[str, tuple[str, ...]]] = []  # those who want to know which products are planned


@contextmanager
def noted_products() -> Iterator[dict[str, tuple[str, ...]]]:
    """A block that notes which products it plans: the tiles that each might have, by its key."""
    products: dict[str, tuple[str, ...]] = {}
    _notes.append(products)
    try:
        yield products
    finally:
        _notes.remove(products)


def choose(gpu: Gpu, tilings: Mapping[str, Any], kind: str, rows: int, columns: int, z: int,
           depth: int) -> Choice:
    """The tile for z products of rows x columns with sums over `depth`.

    Parameters
    ----------
    gpu : Gpu
    tilings : mapping
        Those that there are, by name: of `conv_tiles` for float32's units, of `conv_tensor` for others.
    kind : {"float32", "16 bits", "tf32"}
        The units that multiply; ``"float32, 16 bits"`` are those of float32 on elements of 16 bits.
    rows, columns, z, depth : int

    >>> from cnnkit_cupy.conv_tiles import TILINGS
    >>> from cnnkit_cupy.gpus import GPUS
    >>> choose(GPUS["A100"], TILINGS, "float32", 64 * 56 * 56, 64, 1, 576).name
    'Narrow'
    """
    key = Measured.key(gpu, kind, rows, columns, z, depth)
    for products in _notes:
        products[key] = tuple(tilings)
    if (found := measured.get(key)) and set(found) == set(tilings):
        return Choice(min(found, key=found.__getitem__), found, True)
    seconds = _predicted(gpu, tuple(tilings.items()), kind, rows, columns, z, depth)
    near = (1 + UNSURE) * min(seconds.values())
    padded = {name: _ceil(columns, tilings[name].columns) * tilings[name].columns
              for name, predicted in seconds.items() if predicted <= near}
    return Choice(min(padded, key=lambda name: (padded[name], seconds[name])), seconds, False)


@lru_cache(4096)
def _predicted(gpu: Gpu, tilings: tuple, kind: str, rows: int, columns: int, z: int,
               depth: int) -> dict[str, float]:
    make = tiled_product if kind.startswith("float32") else tensor_product
    return {name: make(tile, kind, rows, columns, z, depth).seconds(gpu) for name, tile in tilings}


def tiled_product(tile: Any, kind: str, rows: int, columns: int, z: int, depth: int) -> Product:
    """What a tiling of ``conv.cu`` makes of a product."""
    size = 2 if kind.endswith("16 bits") else 4
    depth = _ceil(depth, 32 // size) * 32 // size
    macs = tile.rows * tile.columns * depth
    return Product(_ceil(rows, tile.rows) * _ceil(columns, tile.columns) * z, 512 // tile.threads,
                   tile.threads, macs, "float32", macs / WARP / ffma_share(tile),
                   (tile.rows + tile.columns) * depth * size)


def tensor_product(tile: Any, kind: str, rows: int, columns: int, z: int, depth: int) -> Product:
    """What a tiling of ``conv_tensor.cu`` makes of a product."""
    size = 4 if kind == "tf32" else 2
    depth = _ceil(depth, 64 // size) * 64 // size
    macs = tile.rows * tile.columns * depth
    return Product(_ceil(rows, tile.rows) * _ceil(columns, tile.columns) * z, tile.blocks, tile.threads, macs,
                   kind, macs / MACS[kind] * instructions_per_mma(tile),
                   (tile.rows + tile.columns) * depth * size)
