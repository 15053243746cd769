"""The calls that are timed: convolutions by each algorithm and direction, and the layers around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import nn
from cnnkit.ops.core import OPS
from cnnkit_cpu import choice, layout

FORWARD, INPUT, FILTERS = "forward", "input's gradient", "filters' gradient"


@dataclass(frozen=True)
class Conv:
    """A convolution at stride 1 of `batch` square images, whose results have the images' size."""

    batch: int
    channels: int
    filters: int
    size: int
    kernel: int = 3

    @property
    def x(self) -> tuple[int, int, int, int]:
        """The images' shape."""
        return self.batch, self.channels, self.size, self.size

    @property
    def y(self) -> tuple[int, int, int, int]:
        """The results' shape."""
        return self.batch, self.filters, self.size, self.size

    @property
    def weight(self) -> tuple[int, int, int, int]:
        """The filters' shape."""
        return self.filters, self.channels, self.kernel, self.kernel

    @property
    def attrs(self) -> dict[str, Any]:
        """The op's attributes."""
        before = self.kernel // 2
        return {"stride": (1, 1), "padding": ((before, self.kernel - 1 - before),) * 2, "dilation": (1, 1),
                "groups": 1}

    def __str__(self) -> str:
        return "x".join(map(str, (*self.x, *self.weight)))


def normal(shape: tuple[int, ...], channels_last: bool = False) -> np.ndarray:
    """Normal numbers; with `last`, images whose channels lie last in memory."""
    array = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return layout.to_channels_last(array) if channels_last else array


def convolution(conv: Conv, algorithm: str, direction: str, channels_last: bool) -> Callable[[], Any]:
    """One direction of a convolution by one algorithm, on images with their channels last or in C order."""
    x, weight = normal(conv.x, channels_last), normal(conv.weight)
    needs = (direction == INPUT, direction == FILTERS, False)

    def forward() -> tuple:
        with choice.algorithm(algorithm):
            return OPS["conv"](x, weight, None, needs=needs, **conv.attrs)
    if direction == FORWARD:
        return forward
    (y,), backward = forward()
    dy = layout.in_order_of(y, normal(y.shape))
    return lambda: backward(dy)


def reordering(conv: Conv) -> Callable[[], Any]:
    """Images from C order to channels last."""
    x = normal(conv.x)
    return lambda: layout.to_channels_last(x)


def neighbours(conv: Conv, channels_last: bool) -> Callable[[], Any]:
    """Batch norm, ReLU and pooling, forward and backward, on what a convolution makes."""
    x = cnnkit.Tensor(normal(conv.y, channels_last))
    norm, pool = nn.BatchNorm2d(conv.filters), nn.MaxPool2d(3, 2, 1)
    return _step(lambda x: pool(F.relu(norm(x))), x)


def layer(conv: Conv, algorithm: str, channels_last: bool, pooled: str) -> Callable[[], Any]:
    """Convolution, ReLU and a pooling of a kind of `choice.CHANNELS_LAST_FROM`, forward and backward."""
    x, weight = cnnkit.Tensor(normal(conv.x, channels_last)), cnnkit.Tensor(normal(conv.weight))
    pool = {"": lambda z: z, "max": lambda z: F.max_pool2d(z, 2), "avg": lambda z: F.avg_pool2d(z, 2),
            "other": lambda z: F.max_pool2d(z, 3, 2)}[pooled]
    step = _step(lambda x, w: pool(F.relu(F.conv2d(x, w, padding=conv.kernel // 2))), x, weight)

    def forced() -> None:
        with choice.algorithm(algorithm):
            step()
    return forced


class _Function(nn.Module):
    """A function as a module's call: only inside one do chains of ops fuse."""

    def __init__(self, function: Callable):
        super().__init__()
        self.function = function

    def forward(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def _step(function: Callable, *tensors: Any) -> Callable[[], None]:
    """The function and all its gradients."""
    net, dy = _Function(function), None
    for tensor in tensors:
        tensor.requires_grad = True

    def step() -> None:
        nonlocal dy
        y = net(*tensors)
        if dy is None:
            dy = cnnkit.Tensor(np.ones_like(y.numpy()))
        y.backward(dy)
        for tensor in tensors:
            tensor.grad = None
    return step
