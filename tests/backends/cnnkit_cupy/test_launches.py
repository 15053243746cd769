"""How many kernels a training step launches: what they cost a host is nearly all that small networks cost."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn, optim
from cnnkit import functional as F

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


class Residual(nn.Module):
    """ResNet's basic block."""

    def __init__(self, channels):
        super().__init__()
        self.c1, self.c2 = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.b1, self.b2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + x)


class Bottleneck(nn.Module):
    """A pointwise convolution on either side, whose filters need no packing."""

    def __init__(self, channels):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(channels, 16, 1, bias=False), nn.Conv2d(16, channels, 1, bias=False)
        self.b1, self.b2 = nn.BatchNorm2d(16), nn.BatchNorm2d(channels)

    forward = Residual.forward


def around(block):
    """Images of one size all through: a convolution before the block, a classifier behind it."""
    return [nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), block,
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)]


def guide():
    return [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 10)]


# Forward and back. A convolution is 2 and 2 launches, the first one back 1, a pointwise one 1 and 2; batch
# norm is 1 and 1 for few pixels, the loss 1 and 1. Two gradients that meet the library's own kernel adds.
ALWAYS = {"linear": 2, "loss": 2, "update": 1}
NETS = {
    "guide": (guide, (1, 4, 4), {"conv_relu_pool": 1, "direct": 1, **ALWAYS}),
    "residual": (lambda: around(Residual(16)), (16, 4, 4),
                 {"conv": 3 + 2 * 4, "norm": 3 * 2, "pool": 2, **ALWAYS}),
    "bottleneck": (lambda: around(Bottleneck(16)), (16, 4, 4),
                   {"conv": 3 + 2 * 3, "norm": 3 * 2, "pool": 2, **ALWAYS}),
}


@pytest.mark.parametrize("name", NETS)
def test_a_step_launches_no_more_than_it_must(name, launches):
    layers, shape, expected = NETS[name]
    rng = np.random.default_rng(0)
    with cnnkit.use("emulator"):
        net = nn.Sequential(*layers())
        optimizer = optim.Adam(net.parameters())
        x, y = cnnkit.tensor(rng.random((4, *shape), np.float32)), cnnkit.tensor(np.arange(4))
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert {module: len(found) for module, found in launches.items()} == expected
