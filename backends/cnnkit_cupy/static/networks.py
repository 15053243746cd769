"""The networks whose training steps are predicted and measured, and what is expected of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import cnnkit
from cnnkit import models, nn

__all__ = ["BATCH", "NETWORKS", "PRECISIONS", "PUBLISHED", "TARGETS", "Network", "Precision"]

BATCH = 64


@dataclass(frozen=True)
class Network:
    """A network by name: how it is made, and the shape (C, H, W) of its images."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Precision:
    """How a step computes: the dtype of `cnnkit.autocast`, and the level of `cnnkit.precision`."""

    name: str
    autocast: str | None = None
    level: str | None = None

    def entered(self) -> AbstractContextManager:
        """A block in which the level holds."""
        return nullcontext() if self.level is None else cnnkit.precision(self.level)


def _w1() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(1568, 10))


def _w2() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10))


NETWORKS = {network.name: network for network in (
    Network("W1", _w1, (1, 28, 28)), Network("W2", _w2, (3, 32, 32)),
    Network("ResNet-18", models.resnet18, (3, 224, 224)), Network("VGG-11", models.vgg11, (3, 224, 224)),
    Network("ResNet-50", models.resnet50, (3, 224, 224)))}
PRECISIONS = {p.name: p for p in (Precision("float32"), Precision("TF32", level="tf32"),
                                  Precision("float16", autocast="float16"))}

Key = tuple[str, str, str]  # network, precision, GPU
# images a second that a step should reach
TARGETS: Mapping[Key, float] = {("ResNet-50", "TF32", "A100"): 1000, ("ResNet-50", "float16", "A100"): 2000}
# what users of PyTorch publish for ResNet-50: the fewest and the most images a second
PUBLISHED: Mapping[Key, tuple[float, float]] = {
    ("ResNet-50", "TF32", "A100"): (938, 1066), ("ResNet-50", "float16", "A100"): (1582, 2470),
    ("ResNet-50", "TF32", "H100"): (1895, 1895), ("ResNet-50", "float16", "H100"): (2791, 2791),
    ("ResNet-50", "TF32", "RTX 4090"): (721, 721), ("ResNet-50", "float16", "RTX 4090"): (1301, 1301)}
