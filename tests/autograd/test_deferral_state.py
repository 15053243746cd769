"""Buffers that a deferred call replaces are committed once, whoever reads them and when."""


import numpy as np
import pytest
from deferred_nets import Net, image, plain
from loopback import loopback

import cnnkit
from cnnkit import functional as F
from cnnkit import nn


class Normed(Net):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(2, dtype="float64")

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


@pytest.mark.parametrize("keys", [[("conv", "batch_norm", "relu")], [("conv", "batch_norm")],
                                  [("batch_norm", "relu")]])
def test_batch_norms_state_is_committed_once(keys):
    net, x = Normed(), image()
    expected, other = plain(net, x)
    with loopback(keys) as table:
        out = net(cnnkit.tensor(x))
    assert keys[0] in table.calls
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    for (name, a), (_, b) in zip(net.named_buffers(), other.named_buffers()):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)
    assert np.any(net.norm.running_mean.numpy() != 0)


def test_batch_norms_state_is_committed_even_if_nobody_keeps_the_result():
    net = Normed()

    def forward(x):
        net.norm(net.conv(x))
        return x

    net.forward = forward
    with loopback([("conv", "batch_norm", "relu")]):
        net(cnnkit.tensor(image()))
    assert np.any(net.norm.running_mean.numpy() != 0)


def test_batch_norms_state_is_right_when_it_is_read_while_pending():
    net = Normed()
    _, other = plain(net, image())
    means = []

    def forward(x):
        y = net.norm(net.conv(x))
        means.append(net.norm.running_mean.numpy().copy())
        return F.relu(y)

    net.forward = forward
    with loopback([("conv", "batch_norm", "relu")]):
        net(cnnkit.tensor(image()))
    np.testing.assert_array_equal(means[0], other.norm.running_mean.numpy())
    np.testing.assert_array_equal(net.norm.running_mean.numpy(), means[0])


def test_batch_norm_used_twice_in_one_forward_updates_its_state_twice():
    net = Normed()
    net.forward = lambda x: net.norm(net.conv(x)) + F.relu(net.norm(net.conv(x)))
    with cnnkit.backends.tables():
        other = Normed()
        other.forward = lambda x: other.norm(other.conv(x)) + F.relu(other.norm(other.conv(x)))
        other(cnnkit.tensor(image()))
    with loopback([("conv", "batch_norm", "relu")]):
        net(cnnkit.tensor(image()))
    np.testing.assert_array_equal(net.norm.running_mean.numpy(), other.norm.running_mean.numpy())
    assert net.norm.num_batches_tracked.item() == 2


def test_batch_norm_trains_through_a_fused_kernel():
    net, x = Normed(), cnnkit.tensor(image(), requires_grad=True)
    with loopback([("conv", "batch_norm", "relu")]):
        net(x).sum().backward()
    assert x.grad is not None
    assert net.norm.weight.grad is not None
