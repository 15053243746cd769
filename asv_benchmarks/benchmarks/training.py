"""One training step of the guide's networks (forward, loss, backward, update), per backend and batch size."""

from __future__ import annotations

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim

from .here import BACKENDS, use


def w1() -> tuple[nn.Module, tuple[int, int, int]]:
    """W1, the guide's PyTorch class: conv 1 -> 8, ReLU, pool, dense 1568 -> 10."""
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1568, 10)), (1, 28, 28)


class W1:
    """SGD with momentum on W1."""

    params = [BACKENDS, [32, 128]]
    param_names = ["backend", "batch"]

    def setup(self, backend, batch):
        self.here = use(backend)
        rng = np.random.default_rng(0)
        self.model, shape = w1()
        self.optimizer = optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.x = cnnkit.tensor(rng.standard_normal((batch, *shape), dtype=np.float32))
        self.y = cnnkit.tensor(rng.integers(0, 10, batch))

    def teardown(self, backend, batch):
        cnnkit.use(None)

    def time_step(self, backend, batch):
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.x), self.y).backward()
        self.optimizer.step()
        self.here.synchronize()
