"""Small networks and a table of kernels for tests of `cnnkit.explain`."""

import contextlib

import numpy as np

from cnnkit import backends, nn, ops
from cnnkit import functional as F
from cnnkit.backends import KernelTable


@contextlib.contextmanager
def table(kernels):
    """Serve NumPy arrays from a table of the test's own, `mine`, and from nothing else."""
    backends.register_table(KernelTable("mine", "numpy", kernels))
    try:
        with backends.tables("mine"):
            yield
    finally:
        backends.register_table(remove="mine")


def composed(*arrays, needs, calls):
    """Serve any chain by its ops one by one."""
    with backends.tables():
        return ops.compose(calls, arrays, needs)


class Guide(nn.Module):
    """The guide's class: ReLU is a function."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64, 3)

    def forward(self, x):
        return self.fc1(self.pool(F.relu(self.conv1(x))).flatten(1))


class Body(nn.Module):
    """One batch norm and a forward that a test gives."""

    def __init__(self, body, channels=4):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.body = body

    def forward(self, x):
        return self.body(self.bn, x)


def images(channels=1, size=8, n=2):
    return np.random.default_rng(0).standard_normal((n, channels, size, size), dtype=np.float32)


def layers(explanation):
    return [row.layer for row in explanation.rows]
