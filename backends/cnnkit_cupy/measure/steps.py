"""Training steps on the GPU at hand: timed, beside what was predicted and what PyTorch takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit import amp, optim
from cnnkit import functional as F
from cnnkit.autograd import Tensor, tensor
from cnnkit.backends import Backend
from cnnkit_cupy.benchmark.measuring import Clock
from cnnkit_cupy.static.networks import PUBLISHED, TARGETS, Network, Precision

__all__ = ["HEADINGS", "TimedStep", "steps", "table"]

HEADINGS = ("network", "precision", "ms", "images/s", "predicted", "PyTorch", "target", "PyTorch, published")


@dataclass(frozen=True)
class TimedStep:
    """Seconds of a training step of so many images, and PyTorch's."""

    network: str
    precision: str
    batch: int
    seconds: float
    torch: float | None = None

    @property
    def images(self) -> float:
        """Images a second."""
        return self.batch / self.seconds


def steps(networks: Iterable[Network], precisions: Iterable[Precision], batch: int, clock: Clock,
          peer: Callable[[Network, Precision, int], float | None] = lambda *_: None) -> Iterator[TimedStep]:
    """Time a training step of each network in each precision, on the backend in use.

    Images and labels are on the device; a step is as in `cnnkit_cupy.static.times`, with the loss scaled in
    float16.
    """
    for network in networks:
        for precision in precisions:
            with precision.entered():
                seconds = clock(training_step(network, precision, batch))
            yield TimedStep(network.name, precision.name, batch, seconds, peer(network, precision, batch))


def training_step(network: Network, precision: Precision, batch: int) -> Callable[[], Tensor]:
    """A training step, whose every call updates the network."""
    model = network.make().train()
    optimizer = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    rng = np.random.default_rng(0)
    x = tensor(rng.standard_normal((batch, *network.shape), dtype=np.float32))
    labels = tensor(rng.integers(0, 10, batch))
    kind, dtype = x.device.type, precision.autocast
    scaler = amp.GradScaler(kind, enabled=dtype == "float16")

    def step() -> Tensor:
        with amp.autocast(kind, dtype=dtype or "float16", enabled=dtype is not None):
            loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss
    return step


def table(timed: Iterable[TimedStep], gpu: str, predicted: Mapping[tuple[str, str], float]) -> str:
    """The steps as Markdown; `predicted` has images a second by network and precision."""
    lines = [HEADINGS, ["---"] * len(HEADINGS)]
    for step in timed:
        key = step.network, step.precision, gpu
        expected, target, published = predicted.get(key[:2]), TARGETS.get(key), PUBLISHED.get(key)
        lines.append([
            step.network, step.precision, f"{1e3 * step.seconds:.2f}", f"{step.images:,.0f}",
            "" if expected is None else f"{expected:,.0f}",
            "" if step.torch is None else f"{step.batch / step.torch:,.0f}",
            "" if target is None else f"{target:,.0f}, {'missed' if step.images < target else 'met'}",
            "" if published is None else "-".join(dict.fromkeys(f"{n:,.0f}" for n in published))])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def by_torch(torch: Any, clock: Clock) -> Callable[[Network, Precision, int], float | None]:
    """PyTorch's seconds for the same step, channels last; ``None`` where torchvision lacks the network."""
    try:
        from torchvision import models
    except ImportError:
        models = None
    makers = {"ResNet-18": "resnet18", "VGG-11": "vgg11", "ResNet-50": "resnet50"}

    def seconds(network: Network, precision: Precision, batch: int) -> float | None:
        if network.name not in makers or models is None:
            return None
        allowed = precision.level == "tf32"
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
        model = getattr(models, makers[network.name])().cuda().to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        scaler = torch.amp.GradScaler("cuda", enabled=precision.autocast == "float16")
        x = torch.randn(batch, *network.shape, device="cuda").to(memory_format=torch.channels_last)
        labels = torch.randint(0, 10, (batch,), device="cuda")

        def step() -> None:
            with torch.autocast("cuda", getattr(torch, precision.autocast or "float16"),
                                enabled=precision.autocast is not None):
                loss = torch.nn.functional.cross_entropy(model(x), labels)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        return clock(step)
    return seconds


def device_rates(backend: Backend) -> str:
    """The device in words, with its versions."""
    return f"{backend.device()} (CuPy {backend.version()})"
