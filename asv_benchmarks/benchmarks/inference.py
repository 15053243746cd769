"""Latency: the forward pass of one image."""

from __future__ import annotations

import numpy as np

import cnnkit
from cnnkit import nn

from .here import BACKENDS, use
from .networks import network
from .training import BATCHES


class Latency:
    """One image at a time, in `eval` mode and without a tape."""

    params = [BACKENDS, list(BATCHES)]
    param_names = ["backend", "network"]

    def setup(self, backend, name):
        self.backend = use(backend)
        self.model, shape = network(name, nn)
        self.model.eval()
        self.x = cnnkit.tensor(np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32))

    def teardown(self, backend, name):
        cnnkit.use(None)

    def time_one_image(self, backend, name):
        with cnnkit.no_grad():
            self.model(self.x)
        self.backend.synchronize()
