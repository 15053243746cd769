"""cnnkit as a contender of a peer benchmark: ``make(case)`` for one training step, or one op, through the public API alone.

`case` is a dict. ``kind="train"`` comes with ``net`` (W1, W2, resnet18, vgg11), ``batch`` and ``opt`` (sgd, adam);
``kind="conv"`` and ``"maxpool"`` with ``dir`` and the sizes ``N C H W K k s p``. The callable that comes back does one step,
or one op on arrays made beforehand, and has finished when it returns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim


def conv(i: int, o: int, k: int = 3, s: int = 1, bias: bool = True) -> nn.Conv2d:
    """A convolution that keeps the size at stride 1."""
    return nn.Conv2d(i, o, k, s, k // 2, bias=bias)


class Block(nn.Module):
    """ResNet's basic block (He et al. 2016)."""

    def __init__(self, i: int, o: int, s: int):
        super().__init__()
        self.c1, self.b1 = conv(i, o, 3, s, False), nn.BatchNorm2d(o)
        self.c2, self.b2 = conv(o, o, 3, 1, False), nn.BatchNorm2d(o)
        self.sc = nn.Sequential(conv(i, o, 1, s, False), nn.BatchNorm2d(o)) if s != 1 or i != o else nn.Identity()
        self.r1, self.r2 = nn.ReLU(), nn.ReLU()

    def forward(self, x: cnnkit.Tensor) -> cnnkit.Tensor:
        return self.r2(self.b2(self.c2(self.r1(self.b1(self.c1(x))))) + self.sc(x))


def network(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """The network that `name` stands for, and the shape of its images."""
    if name == "W1":
        return nn.Sequential(conv(1, 8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10)), (1, 28, 28)
    if name == "W2":
        return nn.Sequential(conv(3, 8), nn.ReLU(), nn.MaxPool2d(2), conv(8, 16), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10)), (3, 32, 32)
    layers: list[nn.Module] = []
    c = 3
    if name == "vgg11":
        for v in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
            if isinstance(v, str):
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [conv(c, v), nn.ReLU()]
                c = v
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, 10)), (3, 64, 64)
    layers, c = [conv(3, 64, 3, 1, False), nn.BatchNorm2d(64), nn.ReLU()], 64
    for o, s in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(c, o, s), Block(o, o, 1)]
        c = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10)), (3, 32, 32)


def train(case: dict[str, Any]) -> Callable[[], None]:
    """Forward, loss, backward and the optimizer's step on one batch."""
    rng = np.random.default_rng(0)
    net, shape = network(case["net"])
    x = cnnkit.tensor(rng.standard_normal((case["batch"], *shape), dtype=np.float32))
    y = cnnkit.tensor(rng.integers(0, 10, case["batch"]))
    if case["opt"] == "sgd":
        optimizer: optim.Optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    else:
        optimizer = optim.Adam(net.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return step


def one_op(function: Callable[..., cnnkit.Tensor], inputs: tuple, which: int | None) -> Callable[[], None]:
    """An op's forward without a tape, or its gradient with respect to the input number `which`."""
    if which is None:
        def forward() -> None:
            with cnnkit.no_grad():
                function(*inputs)
        return forward
    leaf = inputs[which].requires_grad_()
    y = function(*inputs)
    dy = cnnkit.tensor(np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32))

    def backward() -> None:
        leaf.grad = None
        y.backward(dy, retain_graph=True)
    return backward


def make(case: dict[str, Any]) -> Callable[[], None] | None:
    """A callable that does the case once."""
    if case["kind"] == "train":
        return train(case)
    rng = np.random.default_rng(0)
    x = cnnkit.tensor(rng.standard_normal((case["N"], case["C"], case["H"], case["W"]), dtype=np.float32))
    if case["kind"] == "conv":
        weight = rng.standard_normal((case["K"], case["C"], case["k"], case["k"]), dtype=np.float32) * np.float32(0.1)
        return one_op(lambda x, w: F.conv2d(x, w, None, case["s"], case["p"]), (x, cnnkit.tensor(weight)),
                      {"fwd": None, "dgrad": 0, "wgrad": 1}[case["dir"]])
    return one_op(lambda x: F.max_pool2d(x, 2), (x,), {"fwd": None, "bwd": 0}[case["dir"]])
