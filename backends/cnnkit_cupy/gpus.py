"""What is known of GPUs: multiprocessors, and what their units do in a clock cycle.

From NVIDIA's white papers of the architectures (A100, H100, Ada) and data sheets. Clocks are boost clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

__all__ = ["GPUS", "Gpu", "like", "of"]


@dataclass(frozen=True)
class Gpu:
    """A GPU, as the models of time need it.

    Attributes
    ----------
    name : str
    arch : int
        Compute capability: 80 for 8.0.
    multiprocessors : int
    clock : float
        Cycles a second.
    fp32 : int
        Multiply-adds of float32 in a cycle of one multiprocessor.
    tensor : int
        Multiply-adds of 16-bit numbers, summed in float32, by ``mma.sync``; of TF32 half as many.
    copy : float
        Bytes a second between the memory and the chip.
    l2 : float
        Bytes a second between the L2 cache and the multiprocessors.
    cache : int
        Bytes of the L2 cache.
    """

    name: str
    arch: int
    multiprocessors: int
    clock: float
    fp32: int
    tensor: int
    copy: float
    l2: float
    cache: int


GPUS = {gpu.name: gpu for gpu in (
    Gpu("A100", 80, 108, 1.41e9, 64, 1024, 2.04e12, 5.1e12, 40 << 20),
    # mma.sync reaches 62 % of what wgmma does on Hopper (Luo et al. 2024, arXiv:2402.13499)
    Gpu("H100", 90, 132, 1.83e9, 128, 1270, 3.35e12, 7.0e12, 50 << 20),
    Gpu("H200", 90, 132, 1.83e9, 128, 1270, 4.8e12, 7.0e12, 50 << 20),
    Gpu("RTX 4090", 89, 128, 2.52e9, 128, 256, 1.008e12, 5.0e12, 72 << 20),
)}


@cache
def like(arch: int, multiprocessors: int) -> Gpu:
    """The GPU with these two, or one that is otherwise as the nearest of `GPUS`: enough to compare tiles.

    >>> like(80, 108).name, like(86, 82).name, like(86, 82).fp32
    ('A100', 'sm_86', 128)
    """
    nearest = min(GPUS.values(), key=lambda gpu: (abs(gpu.arch - arch), gpu.multiprocessors))
    if (nearest.arch, nearest.multiprocessors) == (arch, multiprocessors):
        return nearest
    return replace(nearest, name=f"sm_{arch}", arch=arch, multiprocessors=multiprocessors)


def of(device: Any, array: Any) -> Gpu:
    """The GPU of an array, by what its device says."""
    return like(device.capability(array), device.multiprocessors(array))
