"""One side of a comparison: a copy of the model where it is to run, and its steps of training."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cnnkit import backends, nn, random
from cnnkit.autograd import Tensor, enable_grad
from cnnkit.comparing.distance import host
from cnnkit.comparing.tracing import Served, Tracer
from cnnkit.evaluation.contracts import AnyLoss, batch_loss
from cnnkit.optim.by_name import BY_NAME

__all__ = ["Side", "Step"]


@dataclass
class Step:
    """A step of training.

    Attributes
    ----------
    trace, back : list of Served
        The kernels' calls in the order in which they ran, forward and back.
    before, gradients, after : dict
        The trained parameters' arrays by name; a gradient may be ``None``.
    state : dict
        The optimizer's, before its step.
    """

    trace: list[Served]
    back: list[Served]
    before: dict[str, Any]
    gradients: dict[str, Any]
    after: dict[str, Any]
    state: dict[str, Any]


class Side:
    """A copy of a model on a backend, with an optimizer.

    Parameters
    ----------
    name : str
        What reports call it.
    place : str or None
        The backend or kernel table; ``None`` for where the model is.
    """

    name: str
    place: str | None

    def __init__(self, name: str, place: str | None, model: nn.Module, dtype: str | None, optimizer: str,
                 lr: float):
        if optimizer not in BY_NAME:
            raise ValueError(f"there is no optimizer {optimizer!r}; there are {', '.join(BY_NAME)}")
        self.name, self.place = name, place
        self.model: nn.Module = copy.deepcopy(model)
        with self.entered():
            self.model.to(device=place, dtype=dtype)
            self._make = partial(BY_NAME[optimizer], lr=lr)
            self.optimizer = self._make([*self._trained().values()])

    @contextmanager
    def entered(self) -> Iterator[None]:
        """A block in which new arrays are made on this side, and its tables serve."""
        if self.place is None:
            yield
        else:
            with backends.use(self.place):
                yield

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers by name."""
        yield from self.model.named_parameters()
        yield from self.model.named_buffers()

    def step(self, x: Tensor, y: Tensor, loss: AnyLoss, seed: int) -> Step:
        """Learn from a batch, and keep all that the kernels were given and made."""
        with self.entered(), enable_grad(), random.seeded(seed):
            if self.place is not None:
                x, y = x.to(device=self.place), y.to(device=self.place)
            tracer = Tracer(self.model, backends.backend_of(next(self.model.parameters()).array))
            self.optimizer.zero_grad()
            with tracer.watching():
                batch_loss(loss, self.model(x), y).backward()
            parameters = self._trained()
            before = {name: p.array for name, p in parameters.items()}
            gradients = {name: None if p.grad is None else p.grad.array for name, p in parameters.items()}
            state = self.optimizer.state_dict()
            self.optimizer.step()
        after = {name: p.array for name, p in parameters.items()}
        return Step(tracer.trace, tracer.back, before, gradients, after, state)

    def updated(self, step: Step) -> dict[str, np.ndarray]:
        """The parameters after a step's update, computed in float64 by the optimizer's generic body."""
        with backends.use("numpy"), backends.tables():
            parameters = {name: nn.Parameter(host(array)[0]) for name, array in step.before.items()}
            optimizer = self._make([*parameters.values()])
            optimizer.load_state_dict(step.state)
            for name, parameter in parameters.items():
                gradient = step.gradients[name]
                parameter.grad = None if gradient is None else Tensor(host(gradient)[0])
            optimizer.step()
        return {name: host(parameter)[0] for name, parameter in parameters.items()}

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def follow(self, other: Side) -> None:
        """Take the other side's weights, buffers and optimizer state."""
        with self.entered():
            self.model.load_state_dict(other.model.state_dict())
            self.optimizer.load_state_dict(other.optimizer.state_dict())
