"""How many blocks of a kernel a multiprocessor holds, by registers, shared memory and threads.

Limits and roundings are those of NVIDIA's `cuda_occupancy.h` (CUDA 13) and of the table "Technical
Specifications per Compute Capability" in the CUDA Programming Guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

# of every architecture here: registers of a multiprocessor, its schedulers
REGISTERS, PARTITIONS, WARP = 65536, 4, 32
REGISTER_UNIT = 256                         # registers are handed to a warp in units of


@dataclass(frozen=True)
class Multiprocessor:
    """A multiprocessor's limits; `reserved`: bytes of a block for the system; `unit`: their granularity."""

    threads: int
    most_blocks: int
    shared: int
    reserved: int = 1024
    unit: int = 128

    def blocks(self, block: tuple[int, ...], registers: int, shared: int) -> int:
        """How many blocks of so many threads, registers a thread and shared bytes are resident at once.

        >>> LIMITS[90].blocks((256, 1, 1), registers=92, shared=8704)
        2
        """
        warps = -(-prod(block) // WARP)
        warp_registers = _up(registers * WARP, REGISTER_UNIT)
        resident_warps = (REGISTERS // PARTITIONS // warp_registers * PARTITIONS if warp_registers
                          else self.threads // WARP)
        block_bytes = _up(shared + self.reserved, self.unit)
        return min(self.most_blocks, self.threads // WARP // warps, resident_warps // warps,
                   self.shared // block_bytes if block_bytes else self.most_blocks)

    @property
    def most_shared(self) -> int:
        """The bytes of shared memory that one block may have, if it asks for them."""
        return self.shared - self.reserved

    def occupancy(self, block: tuple[int, ...], registers: int, shared: int) -> float:
        """The part of its threads that the resident blocks fill."""
        return self.blocks(block, registers, shared) * _up(prod(block), WARP) / self.threads


def _up(n: int, unit: int) -> int:
    return -(-n // unit) * unit


LIMITS = {
    75: Multiprocessor(1024, 16, 64 << 10, reserved=0, unit=256),  # Turing
    80: Multiprocessor(2048, 32, 164 << 10),                       # Ampere: A100
    86: Multiprocessor(1536, 16, 100 << 10),                       # Ampere: RTX 30
    89: Multiprocessor(1536, 24, 100 << 10),                       # Ada: RTX 40
    90: Multiprocessor(2048, 32, 228 << 10),                       # Hopper: H100
    100: Multiprocessor(2048, 32, 228 << 10),                      # Blackwell: B200
    120: Multiprocessor(1536, 24, 100 << 10),                      # Blackwell: RTX 50
}
