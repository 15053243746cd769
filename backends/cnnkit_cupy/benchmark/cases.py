"""The calls that are timed in cnnkit and in PyTorch: shapes of the guide's networks and of ResNet-50."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cnnkit.shapes import output_size

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """One call.

    Attributes
    ----------
    name : str
        What it is, for the table.
    call : callable
        ``call(F, *arrays)``, where F is `cnnkit.functional` or ``torch.nn.functional``: their names and
        arguments are the same.
    shapes : tuple
        Of the arrays, which all get gradients.
    flops : int
        Multiplications and additions of the convolution in it, forward; 0 where there is none.
    labels : int
        With classes, a last argument is added: labels below this number, one for each row of the first array.
    """

    name: str
    call: Callable
    shapes: tuple[Shape, ...]
    flops: int = 0
    labels: int = 0

    def arrays(self, dtype: str) -> list[np.ndarray]:
        """The arguments: the same numbers every time."""
        rng = np.random.default_rng(0)
        arguments = [rng.standard_normal(shape, dtype=np.float32).astype(dtype) for shape in self.shapes]
        return [*arguments, rng.integers(0, self.labels, self.shapes[0][0])] if self.labels else arguments


def conv(name: str, x: Shape, weight: Shape, then: Callable = lambda F, y: y, **settings: Any) -> Case:
    """A convolution with bias, and what follows it."""
    size = output_size(x[2:], weight[2:], settings.get("stride", 1), settings.get("padding", 0))
    return Case(name, lambda F, x, w, b: then(F, F.conv2d(x, w, b, **settings)), (x, weight, weight[:1]),
                flops=2 * x[0] * prod(size) * prod(weight))


def cases(batch: int = 32) -> list[Case]:
    """Everything that is timed, at this batch size."""
    def maps(*shape: int) -> Shape:
        return (batch, *shape)

    def relu_pool(F: Any, y: Any) -> Any:
        return F.max_pool2d(F.relu(y), 2)

    def norm(*shape: int) -> Case:
        return Case(f"batch_norm {shape[0]}, {shape[1]}x{shape[2]}",
                    lambda F, x, w, b: F.batch_norm(x, None, None, w, b, True),
                    (maps(*shape), shape[:1], shape[:1]))

    return [
        conv("guide: conv 3x3, 1 to 8, 28x28", maps(1, 28, 28), (8, 1, 3, 3), padding=1),
        conv("guide: conv 3x3, 3 to 8, 32x32", maps(3, 32, 32), (8, 3, 3, 3), padding=1),
        conv("guide: conv + ReLU + max pool", maps(1, 28, 28), (8, 1, 3, 3), relu_pool, padding=1),
        Case("guide: max pool 2x2, 8, 28x28", lambda F, x: F.max_pool2d(x, 2), (maps(8, 28, 28),)),
        conv("conv 7x7 / 2, 3 to 64, 224x224", maps(3, 224, 224), (64, 3, 7, 7), padding=3, stride=2),
        conv("conv 3x3, 64 to 64, 56x56", maps(64, 56, 56), (64, 64, 3, 3), padding=1),
        conv("conv 3x3, 64 to 64, 56x56, + ReLU", maps(64, 56, 56),
             (64, 64, 3, 3), lambda F, y: F.relu(y), padding=1),
        conv("conv 1x1, 256 to 64, 56x56", maps(256, 56, 56), (64, 256, 1, 1)),
        conv("conv 3x3 / 2, 128 to 128, 56x56", maps(128, 56, 56), (128, 128, 3, 3), padding=1, stride=2),
        conv("conv 3x3, 256 to 256, 14x14", maps(256, 14, 14), (256, 256, 3, 3), padding=1),
        conv("conv 1x1, 512 to 2048, 7x7", maps(512, 7, 7), (2048, 512, 1, 1)),
        conv("depthwise 3x3, 256, 28x28", maps(256, 28, 28), (256, 1, 3, 3), padding=1, groups=256),
        Case("max pool 3x3 / 2, 64, 112x112", lambda F, x: F.max_pool2d(x, 3, 2, 1), (maps(64, 112, 112),)),
        Case("avg pool 3x3, 256, 28x28", lambda F, x: F.avg_pool2d(x, 3, 1, 1), (maps(256, 28, 28),)),
        Case("global avg pool, 2048, 7x7", lambda F, x: F.adaptive_avg_pool2d(x, 1), (maps(2048, 7, 7),)),
        norm(64, 112, 112),
        norm(512, 28, 28),
        Case("dropout, 4096", lambda F, x: F.dropout(x, 0.5, True), (maps(4096),)),
        Case("cross-entropy, 1000 classes",
             lambda F, x, y: F.cross_entropy(x, y), (maps(1000),), labels=1000),
    ]
