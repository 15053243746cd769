"""Where the time of a training step goes: a flame graph, of a copy of the model."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from cnnkit import functional as F
from cnnkit import nn, optim
from cnnkit.autograd import Tensor
from cnnkit.profiling import profile

__all__ = ["StepProfile", "step_profile"]


@dataclass(frozen=True)
class StepProfile:
    """A flame graph as an SVG element, the step's seconds, and how many images it learnt from."""

    drawing: str
    seconds: float
    images: int


def step_profile(model: nn.Module, images: Tensor, labels: Tensor | None) -> StepProfile | None:
    """Learn from a batch by SGD; of three steps after the first show the quickest. The model stays as it is.

    The others may have waited for other processes. Without labels the mean of the outputs takes the place of
    the loss. ``None`` for a model without a parameter that learns.
    """
    model = copy.deepcopy(model).train(len(images) > 1)  # batch norm learns from more than one image
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        return None
    optimizer = optim.SGD(parameters, lr=1e-6)
    steps = []
    for _ in range(4):
        optimizer.zero_grad()
        with profile(model) as measured:
            output = model(images)
            loss = output.mean() if labels is None else F.cross_entropy(output, labels.to(output.backend))
            loss.backward()
            optimizer.step()
        steps.append(measured)
    quickest = min(steps[1:], key=lambda measured: measured.seconds)
    return StepProfile(quickest.flame_graph(), quickest.seconds, len(images))
