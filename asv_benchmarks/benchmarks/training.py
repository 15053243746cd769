"""One training step of whole networks: its time, its peak memory, and how time grows with the batch."""

from __future__ import annotations

import resource

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim

from .here import BACKENDS, use
from .networks import network

BATCHES = {"W1": 128, "W2": 128, "lenet5": 128, "mobilenet": 32, "vgg11": 16, "resnet18": 16}


class Step:
    """Forward, loss, backward and SGD with momentum, on one batch over and over."""

    params = [BACKENDS, list(BATCHES)]
    param_names = ["backend", "network"]
    timeout = 300

    def setup(self, backend, name, batch=None):
        self.backend = use(backend)
        rng = np.random.default_rng(0)
        self.model, shape = network(name, nn)
        self.optimizer = optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        batch = batch or BATCHES[name]
        self.x = cnnkit.tensor(rng.standard_normal((batch, *shape), dtype=np.float32))
        self.y = cnnkit.tensor(rng.integers(0, 10, batch))

    def teardown(self, *_):
        cnnkit.use(None)

    def step(self):
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.x), self.y).backward()
        self.optimizer.step()
        self.backend.synchronize()

    def time_step(self, backend, name):
        self.step()

    def track_memory(self, backend, name):
        """How far two steps raise the process's peak memory above its peak after the set-up."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.step()
        self.step()
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

    track_memory.unit = "MiB"


class Growth(Step):
    """The guide's common CNN at growing batches: time should grow no faster than they do."""

    params = [BACKENDS, [1, 4, 16, 64, 256, 1024]]
    param_names = ["backend", "batch"]

    def setup(self, backend, batch):
        super().setup(backend, "W2", batch)

    def time_step(self, backend, batch):
        self.step()

    def track_memory(self, backend, batch):
        return super().track_memory(backend, "W2")

    track_memory.unit = "MiB"
