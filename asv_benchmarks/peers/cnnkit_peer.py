"""cnnkit as a contender, by its public API alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks.networks import network

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim

CACHE_LINE = 64  # bytes


def train(case: dict[str, Any]) -> Callable[[], None]:
    """Forward, loss, backward and the optimizer's step on one batch."""
    rng = np.random.default_rng(0)
    net, shape = network(case["net"], nn)
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
    rng = np.random.default_rng(0)
    x = cnnkit.tensor(rng.standard_normal((case["N"], case["C"], case["H"], case["W"]), dtype=np.float32))
    if case["kind"] == "conv":
        shape = (case["K"], case["C"], case["k"], case["k"])
        weight = rng.standard_normal(shape, dtype=np.float32) * np.float32(0.1)
        return one_op(lambda x, w: F.conv2d(x, w, None, case["s"], case["p"]), (x, cnnkit.tensor(weight)),
                      {"fwd": None, "dgrad": 0, "wgrad": 1}[case["dir"]])
    return one_op(lambda x: F.max_pool2d(x, 2), (x,), {"fwd": None, "bwd": 0}[case["dir"]])
