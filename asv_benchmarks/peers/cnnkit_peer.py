"""cnnkit as a contender, by its public API alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.networks import network

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim
from peers.styles import STYLES, style

CACHE_LINE = 64  # bytes


def net_of(case: dict[str, Any]) -> tuple[nn.Module, tuple[int, ...]]:
    """A case's network, with the same weights each time, and the shape of one image."""
    cnnkit.manual_seed(0)
    return style(case["net"], cnnkit) if case["net"] in STYLES else network(case["net"], nn)


def learning(case: dict[str, Any]) -> tuple[Callable[..., None], cnnkit.Tensor, cnnkit.Tensor]:
    """Forward, loss, backward and the optimizer's step, and the batch that it learns from."""
    rng = np.random.default_rng(0)
    net, shape = net_of(case)
    x = cnnkit.tensor(rng.standard_normal((case["batch"], *shape), dtype=np.float32))
    scores = net(x).shape
    y = cnnkit.tensor(rng.integers(0, 10, (scores[0], *scores[2:])))  # of each image, or of each pixel
    if case["opt"] == "sgd":
        optimizer: optim.Optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    else:
        optimizer = optim.Adam(net.parameters(), lr=1e-4)

    def step(x: cnnkit.Tensor, y: cnnkit.Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return step, x, y


def train(case: dict[str, Any]) -> Callable[[], None]:
    """A training step as a user writes it."""
    step, x, y = learning(case)
    return lambda: step(x, y)


def captured(case: dict[str, Any]) -> Callable[[], None] | None:
    """A training step recorded once, and replayed, as `train.fit` does it."""
    if case["kind"] != "train":
        return None
    step, x, y = learning(case)
    fast_step = cnnkit.capture(step)
    for _ in range(3):  # its own, recorded, and compared
        fast_step(x, y)
    return lambda: fast_step(x, y)


def infer(case: dict[str, Any]) -> Callable[[], None]:
    """The scores of one batch, in evaluation, captured as `cnnkit.capture` does it."""
    net, shape = net_of(case)
    net.eval()
    x = cnnkit.tensor(np.random.default_rng(0).standard_normal((case["batch"], *shape), dtype=np.float32))

    @cnnkit.capture
    def scores(x: cnnkit.Tensor) -> cnnkit.Tensor:
        with cnnkit.no_grad():
            return net(x)

    def step() -> None:
        scores(x)
    return step


def in_order_of(result: cnnkit.Tensor, array: np.ndarray) -> cnnkit.Tensor:
    """`array` in the memory order of `result`, aligned to a cache line, as neighbouring layers give it."""
    order = np.argsort([-stride for stride in result.detach().numpy().strides], kind="stable")
    memory = np.empty(array.nbytes + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    copy = memory[start:start + array.nbytes].view(array.dtype).reshape([array.shape[axis] for axis in order])
    copy[...] = array.transpose(order)
    return cnnkit.Tensor(copy.transpose(np.argsort(order)))


def one_op(function: Callable[..., cnnkit.Tensor], inputs: tuple, index: int | None) -> Callable[[], None]:
    """An op's forward without a tape, or its gradient with respect to ``inputs[index]``."""
    with cnnkit.no_grad():
        inputs = (in_order_of(function(*inputs), inputs[0].numpy()), *inputs[1:])
    if index is None:
        def forward() -> None:
            with cnnkit.no_grad():
                function(*inputs)
        return forward
    leaf = inputs[index].requires_grad_()
    y = function(*inputs)
    dy = in_order_of(y, np.random.default_rng(1).standard_normal(y.shape, dtype=np.float32))

    def backward() -> None:
        leaf.grad = None
        y.backward(dy, retain_graph=True)
    return backward


def make(case: dict[str, Any]) -> Callable[[], None] | None:
    """A callable that does the case once."""
    if case["kind"] == "train":
        return train(case)
    if case["kind"] == "infer":
        return infer(case)
    rng = np.random.default_rng(0)
    x = cnnkit.tensor(rng.standard_normal((case["N"], case["C"], case["H"], case["W"]), dtype=np.float32))
    if case["kind"] == "conv":
        shape = (case["K"], case["C"], case["k"], case["k"])
        weight = rng.standard_normal(shape, dtype=np.float32) * np.float32(0.1)
        return one_op(lambda x, w: F.conv2d(x, w, None, case["s"], case["p"]), (x, cnnkit.tensor(weight)),
                      {"fwd": None, "dgrad": 0, "wgrad": 1}[case["dir"]])
    return one_op(lambda x: F.max_pool2d(x, 2), (x,), {"fwd": None, "bwd": 0}[case["dir"]])
