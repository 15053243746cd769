"""PyTorch as a contender, in the forms that its users choose from."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from benchmarks.networks import network
from torch import nn, optim

from peers.styles import STYLES, style

__all__ = ["channels_last", "channels_last_fused", "compiled", "fused", "make"]

Step = Callable[[], Any]
aten = torch.ops.aten


def make(case: dict[str, Any], layout: Any = torch.contiguous_format, fused: bool | None = None,
         compiled: bool = False) -> Step | None:
    """A callable that does the case once; ``None`` where it makes no sense in this form."""
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    if case["kind"] == "train":
        return _train(case, layout, fused, compiled)
    if case["kind"] == "infer":
        return None if fused else _infer(case, layout, compiled)
    if compiled or fused:
        return None
    x = torch.randn(*(case[size] for size in "NCHW")).contiguous(memory_format=layout)
    return _conv(case, x, layout) if case["kind"] == "conv" else _pool(case, x)


def channels_last(case: dict[str, Any]) -> Step | None:
    """Channels last in memory, which is PyTorch's fastest layout on a CPU."""
    return make(case, torch.channels_last)


def fused(case: dict[str, Any]) -> Step | None:
    """With the fused optimizer."""
    return make(case, fused=True)


def channels_last_fused(case: dict[str, Any]) -> Step | None:
    """Channels last, with the fused optimizer."""
    return make(case, torch.channels_last, fused=True)


def compiled(case: dict[str, Any]) -> Step | None:
    """With `torch.compile`."""
    return make(case, compiled=True)


def _net(case: dict[str, Any], layout: Any) -> tuple[nn.Module, torch.Tensor]:
    """A case's network, and a batch of its images."""
    net, shape = style(case["net"], torch) if case["net"] in STYLES else network(case["net"], nn)
    x = torch.randn(case["batch"], *shape)
    if len(shape) == 3:  # PyTorch has no such order for signals
        net, x = net.to(memory_format=layout), x.contiguous(memory_format=layout)
    return net, x


def _infer(case: dict[str, Any], layout: Any, compiled: bool) -> Step:
    net, x = _net(case, layout)
    forward = torch.compile(net.eval()) if compiled else net.eval()

    def step() -> None:
        with torch.inference_mode():
            forward(x)
    return step


def _train(case: dict[str, Any], layout: Any, fused: bool | None, compiled: bool) -> Step:
    net, x = _net(case, layout)
    scores = net(x).shape
    y = torch.randint(0, 10, (scores[0], *scores[2:]))  # of each image, or of each pixel
    if case["opt"] == "sgd":
        optimizer: optim.Optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, fused=fused)
    else:
        optimizer = optim.Adam(net.parameters(), lr=1e-4, fused=fused)
    forward = torch.compile(net) if compiled else net

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(forward(x), y).backward()
        optimizer.step()
    return step


def _conv(case: dict[str, Any], x: torch.Tensor, layout: Any) -> Step:
    weight = torch.randn(case["K"], case["C"], case["k"], case["k"]).mul(0.1).contiguous(memory_format=layout)
    stride, padding = [case["s"]] * 2, [case["p"]] * 2
    with torch.no_grad():
        dy = torch.randn_like(F.conv2d(x, weight, None, stride, padding)).contiguous(memory_format=layout)
    needed = [case["dir"] == "dgrad", case["dir"] == "wgrad", False]

    @torch.no_grad()
    def op() -> None:
        if case["dir"] == "fwd":
            F.conv2d(x, weight, None, stride, padding)
        else:
            aten.convolution_backward(dy, x, weight, None, stride, padding, [1, 1], False, [0, 0], 1, needed)
    return op


def _pool(case: dict[str, Any], x: torch.Tensor) -> Step:
    y, indices = aten.max_pool2d_with_indices(x, [2, 2], [2, 2])
    dy = torch.randn_like(y)

    @torch.no_grad()
    def op() -> None:
        if case["dir"] == "fwd":
            aten.max_pool2d_with_indices(x, [2, 2], [2, 2])
        else:
            aten.max_pool2d_with_indices_backward(dy, x, [2, 2], [2, 2], [0, 0], [1, 1], False, indices)
    return op
