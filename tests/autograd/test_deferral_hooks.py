"""Hooks and kept gradients end a chain, because they want its result."""

import pytest
from deferred_nets import Net, image
from loopback import loopback

import cnnkit
from cnnkit import functional as F
from cnnkit import nn

TRIPLE = ("conv", "relu", "max_pool")


def test_retain_grad_breaks_the_chain_and_keeps_the_gradient():
    retained = []

    def forward(net, x):
        y = F.relu(net.conv(x))
        y.retain_grad()
        retained.append(y)
        return F.max_pool2d(y, 2)

    with loopback() as table:
        Net(forward)(cnnkit.tensor(image())).sum().backward()
    assert table.calls == [("conv", "relu"), "max_pool", "sum"]
    assert retained[0].grad.shape == (2, 2, 6, 6)


def test_a_gradient_hook_breaks_the_chain_and_is_called():
    shapes = []

    def forward(net, x):
        y = net.conv(x)
        y.register_hook(lambda dy: shapes.append(dy.shape))
        return F.relu(y)

    with loopback() as table:
        Net(forward)(cnnkit.tensor(image())).sum().backward()
    assert table.calls == ["conv", "relu", "sum"]
    assert shapes == [(2, 2, 6, 6)]


def test_a_forward_hook_sees_a_computed_tensor():
    net, links = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), []
    net[0].register_forward_hook(lambda module, inputs, output: links.append(output._link))
    with loopback() as table:
        net(cnnkit.tensor(image(), dtype="float32"))
    assert links == [None]
    assert table.calls == ["conv", "relu"]


@pytest.mark.parametrize("act", [lambda y: y.retain_grad(), lambda y: y.register_hook(print)])
@pytest.mark.parametrize("read_before", [True, False])
def test_a_hook_on_a_middle_result_after_its_chain_ran_raises_and_names_the_fix(act, read_before):
    def forward(net, x):
        y = F.relu(net.conv(x))
        z = F.max_pool2d(y, 2)
        if read_before:
            y.numpy()
        with pytest.raises(RuntimeError, match="right after the op that makes it"):
            act(y)
        return z

    with loopback():
        Net(forward)(cnnkit.tensor(image()))
