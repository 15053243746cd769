"""Kernels compiled ahead, in threads: those that a model will launch, which are known from its ops.

CuPy compiles an instance when it is first launched, one after the other: several seconds of CPU before the
first step of a ResNet. NVRTC runs beside itself, so threads take as many processors as there are. Each
instance is a module of its own: those of one file together would take a tenth less CPU (8.1 s in place of
9.0 for ResNet-50's), but then no other model would find them in CuPy's cache on disk, whose key is the
source, the options, the architecture, NVRTC's version and the names.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cnnkit import nn, no_grad
from cnnkit_cupy.gpus import Gpu
from cnnkit_cupy.paper import Paper, training_step

__all__ = ["Warmed", "compile_ahead", "instances"]


@dataclass(frozen=True)
class Warmed:
    """What was made ready.

    Attributes
    ----------
    names : tuple of str
        The instances that were not loaded yet.
    seconds, cpu : float
        Of the wall clock, and of all threads.
    """

    names: tuple[str, ...]
    seconds: float
    cpu: float

    def __str__(self) -> str:
        return (f"{len(self.names)} kernels are ready: {self.seconds:.1f} s, {self.cpu:.1f} s of CPU "
                "(0 where they lay on disk)")


def instances(gpu: Gpu, model: nn.Module, shape: Sequence[int], batch: int, training: bool = True,
              dtype: str | None = None) -> tuple[str, ...]:
    """The instances that a step of a model launches, each once, in order.

    Parameters
    ----------
    gpu : Gpu
    model : Module
        It is left as it is.
    shape : (C, H, W)
    batch : int
    training : bool
        Forward, cross-entropy, the way back and an update by SGD; otherwise the forward pass in evaluation.
    dtype : {"float16", "bfloat16"}, optional
        Under `cnnkit.autocast`.

    >>> from cnnkit_cupy.gpus import GPUS
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> instances(GPUS["A100"], model, (1, 28, 28), 64, training=False)
    ('linear_forward<float>',)
    """
    from cnnkit import amp

    paper, model = Paper(gpu), copy.deepcopy(model)
    if training:
        notes = training_step(paper, model, shape, batch, dtype)
    else:
        with paper.noting() as notes, no_grad(), amp.autocast("cpu", dtype=dtype or "float16",
                                                              enabled=dtype is not None):
            paper.moved(model).eval()(paper.images(batch, shape))
    return tuple(dict.fromkeys(note.name for note in notes if note.blocks))


def compile_ahead(device: Any, place: int, names: Iterable[str], threads: int | None = None) -> Warmed:
    """Compile instances for a CUDA device, or take them from the cache on disk, in threads.

    Parameters
    ----------
    device : CupyDevice
    place : int
        The number of the CUDA device.
    names : iterable of str
    threads : int, optional
        As many as there are processors.

    Raises
    ------
    RuntimeError, ValueError
        As a launch raises them: an instance that does not compile, or that the device is too old for.
    """
    missing = tuple(name for name in names if not device.loaded(name, place))
    wall, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for waiting in [pool.submit(device.load, name, place) for name in missing]:
            waiting.result()
    return Warmed(missing, time.perf_counter() - wall, time.process_time() - cpu)
