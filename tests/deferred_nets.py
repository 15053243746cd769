"""A small network whose forward a test replaces, and what it gives without kernels; for tests of deferral."""

import copy

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import nn


class Net(nn.Module):
    """The guide's block, whose forward a test replaces."""

    def __init__(self, forward=None):
        super().__init__()
        rng = np.random.default_rng(0)
        self.weight = nn.Parameter(rng.standard_normal((2, 1, 3, 3)))
        self.bias = nn.Parameter(rng.standard_normal(2))
        self.body = forward

    def conv(self, x):
        return F.conv2d(x, self.weight, self.bias, padding=1)

    def forward(self, x):
        return self.body(self, x) if self.body else F.max_pool2d(F.relu(self.conv(x)), 2)


def image(seed=1):
    return np.random.default_rng(seed).standard_normal((2, 1, 6, 6))


def plain(net, x):
    """The expected output, and a copy of the network that computed it without any kernel table."""
    with cnnkit.backends.tables():
        y = copy.deepcopy(net)
        out = y(cnnkit.tensor(x))
        return out, y
