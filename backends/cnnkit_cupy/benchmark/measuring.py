"""Timing calls on a device, and the device's rates to compare them with: of copies and of matrix products."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from cnnkit import functional, nn, no_grad
from cnnkit.autograd import tensor
from cnnkit.backends import Backend
from cnnkit_cupy.benchmark.cases import Case

Clock = Callable[[Callable[[], Any]], float]  # seconds that one call of a function takes on the device


@dataclass(frozen=True)
class Row:
    """One measurement: a call's seconds, its operations, the bytes it must move, and PyTorch's seconds."""

    name: str
    dtype: str
    direction: str
    seconds: float
    flops: int
    moved: int
    torch: float | None = None


def by_events(cupy: Any, warm_up: int = 5, rounds: int = 20, least: float = 1e-3) -> Clock:
    """The median of many rounds between two CUDA events; a round's calls take a millisecond together."""
    def elapsed(function: Callable[[], Any], calls: int) -> float:
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        start.record()
        for _ in range(calls):
            function()
        end.record()
        end.synchronize()
        return cupy.cuda.get_elapsed_time(start, end) * 1e-3 / calls

    def clock(function: Callable[[], Any]) -> float:
        for _ in range(warm_up):
            function()
        calls = max(1, round(least / max(elapsed(function, 1), 1e-7)))
        return statistics.median(elapsed(function, calls) for _ in range(rounds))
    return clock


def copy_rate(backend: Backend, clock: Clock, size: int = 1 << 28) -> float:
    """Bytes a second that a copy within the device's memory reads and writes."""
    x = backend.asarray(np.zeros(size // 4, np.float32))
    return 2 * size / clock(lambda: backend.namespace.asarray(x, copy=True))


def gemm_rate(backend: Backend, clock: Clock, dtype: str, size: int = 4096) -> float:
    """Multiplications and additions a second of the array library's own product of two square matrices."""
    a, b = (backend.asarray(np.ones((size, size), np.float32), dtype) for _ in range(2))
    return 2 * size**3 / clock(lambda: backend.namespace.matmul(a, b))


class Block(nn.Module):
    """A case as a module's call: only inside one do chains of ops fuse."""

    def __init__(self, case: Case):
        super().__init__()
        self.case = case

    def forward(self, *arrays: Any) -> Any:
        return self.case.call(functional, *arrays)


def measure(cases: Iterable[Case], dtypes: Iterable[str], clock: Clock, torch: Any = None,
            torch_clock: Clock | None = None) -> Iterator[Row]:
    """Time each case forward and backward on the backend in use, and in PyTorch where `torch` is given."""
    for dtype in dtypes:
        for case in cases:
            host = case.arrays(dtype)
            torch_times: list = (torch_seconds(case, host, torch, torch_clock)
                                 if torch and torch_clock else [None, None])
            arrays = [tensor(a, requires_grad=a.dtype.kind != "i") for a in host]
            block = Block(case)

            def forward(block: Block = block, arrays: list = arrays) -> None:
                with no_grad():
                    block(*arrays)

            y = block(*arrays)
            dy = tensor(np.ones(y.shape, dtype))

            def backward(y: Any = y, dy: Any = dy, arrays: list = arrays) -> None:
                for array in arrays:
                    array.grad = None
                y.backward(dy, retain_graph=True)

            bytes_read, bytes_written = sum(a.nbytes for a in host), prod(y.shape) * host[0].itemsize
            gradients = sum(a.nbytes for a in host if a.dtype.kind != "i")
            moved = bytes_read + bytes_written
            yield Row(case.name, dtype, "forward", clock(forward), case.flops, moved, torch_times[0])
            yield Row(case.name, dtype, "backward", clock(backward), 2 * case.flops, moved + gradients,
                      torch_times[1])


def torch_seconds(case: Case, host: list[np.ndarray], torch: Any, clock: Clock,
                  device: str = "cuda") -> list[float]:
    """What PyTorch takes for the same call, forward and backward."""
    arrays = [torch.tensor(a, device=device, requires_grad=a.dtype.kind != "i") for a in host]
    differentiable = [a for a in arrays if a.requires_grad]
    y = case.call(torch.nn.functional, *arrays)
    dy = torch.ones_like(y)

    def forward() -> None:
        with torch.no_grad():
            case.call(torch.nn.functional, *arrays)

    return [clock(forward), clock(lambda: torch.autograd.grad(y, differentiable, dy, retain_graph=True))]
