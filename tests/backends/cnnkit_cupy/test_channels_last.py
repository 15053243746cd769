"""In a step of a convolutional network no op puts the channels second again: every product reads vectors."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn
from cnnkit import functional as F
from cnnkit.ops import order

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


def conv(i=16, o=16, size=3):
    return nn.Conv2d(i, o, size, padding=size // 2)


class Block(nn.Module):
    """A convolution on either side of what is tested."""

    def __init__(self, between, channels=16):
        super().__init__()
        self.first, self.second, self.norm, self.last = conv(), conv(), nn.BatchNorm2d(16), conv(channels)
        self.between = between

    def forward(self, x):
        return self.last(self.between(self, self.first(x)))


BETWEEN = {
    "a residual block": (lambda net, x: F.relu(net.norm(net.second(x)) + x), 16),
    "a residual block without ReLU": (lambda net, x: net.norm(net.second(x)) + x, 16),
    "an addition and ReLU without normalisation": (lambda net, x: F.relu(net.second(x) + x), 16),
    "pre-activation": (lambda net, x: x + net.second(F.relu(net.norm(x))), 16),
    "channels joined": (lambda net, x: F.cat([x, net.second(x)], dim=1), 32),
    "gates": (lambda net, x: x * F.sigmoid(net.second(x).mean(dim=(2, 3), keepdim=True)), 16),
    "a bias for each channel": (lambda net, x: x - net.norm.weight.reshape(16, 1, 1), 16),
    "padding": (lambda net, x: F.pad(x, (1, 2, 0, 1)), 16),
    "arithmetic": (lambda net, x: (2 * x - x / 3) * x, 16),
    "the larger of two": (lambda net, x: cnnkit.maximum(x, net.second(x)) - cnnkit.minimum(x, x / 2), 16),
    "what division leaves": (lambda net, x: cnnkit.remainder(x, net.second(x)), 16),
    "two ways to one place": (lambda net, x: F.silu(x) + F.tanh(x), 16),
    **{name: (lambda net, x, name=name: getattr(F, name)(x), 16)
       for name in ("relu", "leaky_relu", "gelu", "hardswish", "sigmoid", "elu")},
    "softmax": (lambda net, x: F.softmax(x, dim=1), 16), "clamp": (lambda net, x: x.clamp(0, 6), 16),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_every_product_reads_vectors(name, launches):
    between, channels = BETWEEN[name]
    with cnnkit.use("emulator"):
        net = Block(between, channels)
        x = cnnkit.Tensor(backends.get("emulator").namespace.permute_dims(
            backends.get("emulator").asarray(np.random.default_rng(0).random((1, 2, 3, 16), np.float32)),
            (0, 3, 1, 2)), requires_grad=True)
        y = net(x)
        (y * y).sum().backward()
    products = [kernel for kernel, _ in launches["conv"] if kernel.startswith(("conv2d<", "conv2d_weight"))]
    assert len(products) >= 6
    assert [kernel for kernel in products if "scalar" in kernel] == []


# -- mistakes that these tests find --------------------------------------------------------------------------

def test_results_in_c_order_are_found(launches, monkeypatch):
    """What CuPy's own operators give: then a product reads element by element."""
    monkeypatch.setattr(order, "memory_order", lambda arrays: None)
    with pytest.raises(AssertionError):
        test_every_product_reads_vectors("arithmetic", launches)
