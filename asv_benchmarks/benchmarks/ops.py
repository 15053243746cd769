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
    "conv 3x3, 8 to 16, 16x16": (lambda: nn.Conv2d(8, 16, 3, padding=1), (128, 8, 16, 16)),
    "conv 3x3, 512 to 512, 4x4": (lambda: nn.Conv2d(512, 512, 3, padding=1), (16, 512, 4, 4)),
    "conv 7x7 stride 2, 3 to 64, 112x112": (lambda: nn.Conv2d(3, 64, 7, 2, 3), (4, 3, 112, 112)),
    "conv 3x3 depthwise, 64, 28x28": (lambda: nn.Conv2d(64, 64, 3, padding=1, groups=64), (16, 64, 28, 28)),
    "max pool 2x2, 8, 28x28": (lambda: nn.MaxPool2d(2), (32, 8, 28, 28)),
    "average pool 2x2, 64, 56x56": (lambda: nn.AvgPool2d(2), (8, 64, 56, 56)),
    "linear, 1024 to 128": (lambda: nn.Linear(1024, 128), (128, 1024)),
    "relu, 64, 56x56": (nn.ReLU, (8, 64, 56, 56)),
    "batch norm, 64, 56x56": (lambda: nn.BatchNorm2d(64), (8, 64, 56, 56)),
    "dropout, 64, 56x56": (lambda: nn.Dropout(0.5), (8, 64, 56, 56)),
}


class Layer:
    """One layer with gradients for its input and its parameters; the device has finished when the
    clock stops.
    """

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


class Channels:
    """A 3x3 convolution from C to C channels, forward and backward, as C grows."""

    params = [BACKENDS, [1, 4, 8, 16, 24, 32, 64, 128, 256]]
    param_names = ["backend", "channels"]

    def setup(self, backend, channels):
        self.here = use(backend)
        self.layer = nn.Conv2d(channels, channels, 3, padding=1)
        x = np.random.default_rng(0).standard_normal((8, channels, 28, 28), dtype=np.float32)
        self.x = cnnkit.tensor(x, requires_grad=True)
        self.dy = cnnkit.tensor(np.ones(x.shape, np.float32))

    def teardown(self, backend, channels):
        cnnkit.use(None)

    def time_forward_and_backward(self, backend, channels):
        self.x.grad = None
        self.layer.zero_grad()
        self.layer(self.x).backward(self.dy)
        self.here.synchronize()
