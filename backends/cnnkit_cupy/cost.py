"""How long a tiled product takes on a GPU, by counting: what its multiprocessors issue, multiply and read.

The static report predicts times with it (`cnnkit_cupy.static.times`), and `cnnkit_cupy.choice` chooses tiles.
It is a roofline with three roofs. A multiprocessor issues four instructions of warps in a cycle; its units do
so many multiply-adds; the L2 cache delivers so many bytes. The busiest multiprocessor decides: it has a whole
number of blocks, and with few warps it waits for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnkit_cupy.gpus import Gpu

__all__ = ["MACS", "Product", "ffma_share", "instructions_per_mma"]

ISSUED = 4          # instructions of warps that a multiprocessor issues in a cycle
WARP = 32
ENOUGH_WARPS = 8    # two for each scheduler: then one computes while the other waits
NOT_HIDDEN = 0.2    # of what takes less time than the longest part: it does not all go on beside it
FILL = 1000         # cycles until a block's first tile is there and its last sums have left
MACS = {"16 bits": 2048, "tf32": 1024}  # multiply-adds of one mma.sync: m16n8k16, m16n8k8
# instructions for each element, or each 16 bytes, that a thread brings into shared memory, with its address;
# as NVRTC 13.5 makes of conv.cu and conv_tensor.cu (`tox -e cuda-static` prints what the loops have)
PER_ELEMENT, PER_COPY = 7.0, 11.0


@dataclass(frozen=True)
class Product:
    """A tiled product: so many equal blocks.

    Attributes
    ----------
    blocks : int
    resident : int
        How many of them a multiprocessor holds at once.
    threads : int
        Of a block.
    macs : float
        Multiply-adds of a block, those with the padding of its tiles included.
    kind : {"float32", "16 bits", "tf32"}
        The units that do them.
    instructions : float
        Of a block's warps.
    bytes : float
        That a block reads through the L2 cache.
    """

    blocks: int
    resident: int
    threads: int
    macs: float
    kind: str
    instructions: float
    bytes: float

    def parts(self, gpu: Gpu) -> dict[str, float]:
        """Seconds by what would limit it: ``"issue"``, ``"multiply"``, ``"L2"``.

        >>> from cnnkit_cupy.gpus import GPUS
        >>> one = Product(108, 2, 256, 2**24, "float32", 2**24 / 32 / 0.84, 2**18)
        >>> {name: round(1e6 * seconds) for name, seconds in one.parts(GPUS["A100"]).items()}
        {'issue': 111, 'multiply': 187, 'L2': 6}
        """
        busiest = -(-self.blocks // gpu.multiprocessors)
        at_once = min(self.resident, max(busiest, 1))
        # 8 warps keep a multiprocessor busy, 4 (one for each scheduler) for 0.7, and 2 for half of the time
        busy = min(1.0, (at_once * self.threads / WARP / ENOUGH_WARPS) ** 0.5)
        filling = FILL * -(-busiest // max(self.resident, 1))
        macs = {"float32": gpu.fp32, "16 bits": gpu.tensor, "tf32": gpu.tensor / 2}[self.kind]
        return {"issue": (busiest * self.instructions / ISSUED / busy + filling) / gpu.clock,
                "multiply": (busiest * self.macs / macs / busy + filling) / gpu.clock,
                "L2": self.blocks * self.bytes / gpu.l2}

    def seconds(self, gpu: Gpu) -> float:
        """What it takes: the longest of its parts, and what the others do not hide behind it."""
        parts = self.parts(gpu).values()
        return (1 - NOT_HIDDEN) * max(parts) + NOT_HIDDEN * sum(parts)


def ffma_share(tile: Any) -> float:
    """The share of multiply-adds in the loop of a tiling of ``conv.cu``, by what a thread loads for them.

    Each step of the depth takes a quarter of a load for each row and column, and the elements that the
    thread brings for others.

    >>> from cnnkit_cupy.conv_tiles import TILINGS
    >>> {name: round(ffma_share(tile), 2) for name, tile in TILINGS.items()}
    {'Large': 0.85, 'Narrow': 0.82, 'Small': 0.7}
    """
    products = tile.rows_each * tile.columns_each
    loads = (tile.rows_each + tile.columns_each) / 4
    return products / (products + loads + PER_ELEMENT * (tile.rows + tile.columns) / tile.threads)


def instructions_per_mma(tile: Any) -> float:
    """Instructions for each ``mma.sync`` in the loop of a tiling of ``conv_tensor.cu``.

    >>> from cnnkit_cupy.conv_tensor import TILINGS
    >>> {name: round(instructions_per_mma(tile), 1) for name, tile in TILINGS.items()}
    {'TensorLarge': 2.8, 'TensorNarrow': 3.4, 'TensorSmall': 4.1, 'TensorThin': 4.8}
    """
    products = tile.warp_rows // 16 * (tile.warp_columns // 8)       # of a warp, for 32 bytes of depth
    loads = tile.warp_rows // 16 + tile.warp_columns // 16           # ldmatrix, four matrices each
    copies = 2 * (tile.rows + tile.columns) / tile.threads           # of 16 bytes, for a thread
    return (products + loads + PER_COPY * copies) / products
