"""Single layers, forward and backward, at shapes of the guide's networks and of ResNet-50, per backend."""

from __future__ import annotations

import numpy as np

import cnnkit
from cnnkit import nn

from .here import BACKENDS, use

LAYERS = {
    "conv 3x3, 1 to 8, 28x28": (lambda: nn.Conv2d(1, 8, 3, padding=1), (32, 1, 28, 28)),
    "conv 3x3, 64 to 64, 56x56": (lambda: nn.Conv2d(64, 64, 3, padding=1), (8, 64, 56, 56)),
    "conv 1x1, 256 to 64, 56x56": (lambda: nn.Conv2d(256, 64, 1), (8, 256, 56, 56)),
    "max pool 2x2, 8, 28x28": (lambda: nn.MaxPool2d(2), (32, 8, 28, 28)),
    "batch norm, 64, 56x56": (lambda: nn.BatchNorm2d(64), (8, 64, 56, 56)),
    "dropout, 64, 56x56": (lambda: nn.Dropout(0.5), (8, 64, 56, 56)),
}


class Layer:
    """One layer with gradients for its input and its parameters; the device has finished when the clock stops."""

    params = [BACKENDS, list(LAYERS)]
    param_names = ["backend", "layer"]

    def setup(self, backend, layer):
        self.here = use(backend)
        make, shape = LAYERS[layer]
        self.layer = make()
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        self.x = cnnkit.tensor(x, requires_grad=True)
        self.dy = cnnkit.tensor(np.ones(self.layer(self.x).shape, np.float32))
        self.here.synchronize()

    def teardown(self, backend, layer):
        cnnkit.use(None)

    def time_forward(self, backend, layer):
        with cnnkit.no_grad():
            self.layer(self.x)
        self.here.synchronize()

    def time_forward_and_backward(self, backend, layer):
        self.x.grad = None
        self.layer.zero_grad()
        self.layer(self.x).backward(self.dy)
        self.here.synchronize()
