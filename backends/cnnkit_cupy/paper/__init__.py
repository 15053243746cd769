"""A CUDA device on paper: it notes what a model launches, and neither computes nor takes memory.

The host code of every kernel runs as on a GPU; arrays have shapes, dtypes and strides, and their memory is
never touched. So a training step of ResNet-50 with 64 images is known in a second: which instances it
launches, with which grids, and how many bytes they read and write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.backends import Backend, KernelTable
from cnnkit_cupy.gpus import Gpu
from cnnkit_cupy.paper.array import Array, Namespace, Noted
from cnnkit_cupy.paper.device import PaperDevice

__all__ = ["Noted", "Paper", "training_step"]


class Paper(Backend):
    """Arrays on paper, of a GPU that need not be there.

    Parameters
    ----------
    gpu : Gpu
        Its compute capability and its number of multiprocessors decide which kernels are launched.

    >>> from cnnkit import nn
    >>> from cnnkit_cupy.gpus import GPUS
    >>> paper = Paper(GPUS["A100"])
    >>> with paper.noting() as launches:
    ...     y = paper.moved(nn.Conv2d(64, 64, 3, padding=1))(paper.images(32, (64, 56, 56)))
    >>> y.shape
    (32, 64, 56, 56)
    >>> [launch.name for launch in launches]  # images arrive with their channels first: single elements
    ['conv2d_pack<float>', 'conv2d<float, Small, scalar>']
    """

    name = "paper"
    distribution = "cnnkit"
    array_types = ("cnnkit_cupy.paper.array:Array",)
    c_ordered = True  # as CuPy's results are

    def __init__(self, gpu: Gpu):
        self.gpu = gpu
        self.array = type("Array", (Array,), {"__slots__": (), "__cnnkit_backend__": self, "paper": self})

    @cached_property
    def namespace(self) -> Any:
        return Namespace(self)

    @cached_property
    def cuda(self) -> PaperDevice:
        """The device that notes launches."""
        return PaperDevice(self)

    @cached_property
    def _table(self) -> KernelTable:
        from cnnkit_cupy.serving import every_kernel

        return KernelTable(self.name, self.name, partial(every_kernel, self.name))

    def selected(self, names: Any) -> list[KernelTable]:
        return [self._table]

    def dtype(self, dtype: Any) -> Any:
        return np.dtype(super().dtype(dtype))

    def to_numpy(self, array: Any) -> np.ndarray:
        return array.host.copy()

    def device(self) -> str:
        return f"{self.gpu.name}, on paper: nothing but the CPU is there"

    def one(self, like: Any) -> Any:
        return self.array(np.ones((), like.dtype))

    # -- what is asked of it ---------------------------------------------------------------------------------

    @contextmanager
    def noting(self) -> Iterator[list[Noted]]:
        """A list, to which everything is added that the block launches."""
        notes: list[Noted] = []
        before, self.cuda.notes = self.cuda.notes, notes
        try:
            yield notes
        finally:
            self.cuda.notes = before

    def untouched(self, shape: Sequence[int], dtype: Any) -> Array:
        """An array whose memory nobody has touched."""
        return self.array(np.zeros(tuple(shape), np.dtype(dtype)))

    def moved(self, model: nn.Module) -> nn.Module:
        """The model with its parameters and buffers on paper; it keeps neither its values nor gradients."""
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.grad = None
            tensor.rebind(self.untouched(tensor.shape, tensor.dtype.name))
        return model

    def images(self, batch: int, shape: Sequence[int], dtype: str = "float32") -> Tensor:
        """A batch of images (N, C, H, W)."""
        return Tensor(self.untouched((batch, *shape), self.dtype(dtype)))


def training_step(paper: Paper, model: nn.Module, shape: Sequence[int], batch: int,
                  dtype: str | None = None) -> list[Noted]:
    """What a training step launches: the forward pass, cross-entropy, the way back, and SGD with momentum.

    Parameters
    ----------
    paper : Paper
    model : Module
        It returns scores (N, classes); its parameters move onto paper.
    shape : (C, H, W)
    batch : int
    dtype : {"float16", "bfloat16"}, optional
        Of the forward pass, under `cnnkit.autocast`.

    >>> from cnnkit import nn
    >>> from cnnkit_cupy.gpus import GPUS
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    >>> [launch.name for launch in training_step(Paper(GPUS["A100"]), model, (1, 28, 28), 64)][-2:]
    ['linear_backward<float>', 'sgd<float>']
    """
    from cnnkit import amp, optim
    from cnnkit import functional as F

    model = paper.moved(model).train()
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, labels = paper.images(batch, shape), Tensor(paper.untouched((batch,), "int64"))
    for _ in range(2):  # the first update makes the momentum
        with paper.noting() as notes:
            with amp.autocast("cpu", dtype=dtype or "float16", enabled=dtype is not None):
                loss = F.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return notes
