"""A commutative op goes on with a chain from either side (docs/architecture.md, "Fusion by role")."""


import numpy as np
import pytest
from deferred_nets import Net, image
from loopback import loopback

import cnnkit
from cnnkit import functional as F


def other_image(seed=2):
    """A Tensor of the shape that `Net.conv` makes, with a gradient."""
    return cnnkit.tensor(np.random.default_rng(seed).standard_normal((2, 2, 6, 6)), requires_grad=True)


SIDES = pytest.mark.parametrize("turned", [False, True], ids=["left", "right"])
COMMUTATIVE = pytest.mark.parametrize("name", ["add", "mul"])


def apply(name, x, y):
    return {"add": lambda: x + y, "mul": lambda: x * y, "sub": lambda: x - y}[name]()


def trained(forward, keys=None):
    """A result, the net with its gradients, and what was asked of the table with these keys."""
    net = Net(forward)
    if keys is None:
        with cnnkit.backends.tables():
            out = net(cnnkit.tensor(image()))
            (out * out).sum().backward()
        return out, net, []
    with loopback(keys) as table:
        out = net(cnnkit.tensor(image()))
        calls = [*table.calls]
        (out * out).sum().backward()
    return out, net, calls


def assert_same_training(forward, keys, calls):
    """With these keys a forward makes these calls, and the result and the gradients of its ops one by one."""
    out, net, made_calls = trained(forward, keys)
    expected, other, _ = trained(forward)
    assert made_calls == calls
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    for a, b in zip(net.parameters(), other.parameters()):
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


@COMMUTATIVE
@SIDES
def test_a_commutative_op_goes_on_with_a_chain_from_either_side(name, turned):
    gradients = []

    def forward(net, x):
        y, other = net.conv(x), other_image()
        gradients.append(other)
        return F.relu(apply(name, other, y) if turned else apply(name, y, other))

    assert_same_training(forward, [("conv", name, "relu")], [("conv", name, "relu")])
    np.testing.assert_array_equal(gradients[0].grad.numpy(), gradients[1].grad.numpy())


def test_an_op_that_is_not_commutative_goes_on_from_its_left_side_only():
    keys = [("conv", "sub", "relu")]
    assert_same_training(lambda net, x: F.relu(net.conv(x) - other_image()), keys, keys)
    assert_same_training(lambda net, x: F.relu(other_image() - net.conv(x)), keys, ["conv", "sub", "relu"])


@COMMUTATIVE
@SIDES
def test_a_python_number_ends_a_chain_from_either_side(name, turned):
    def forward(net, x):
        y = net.conv(x)
        return F.relu(apply(name, 1.5, y) if turned else apply(name, y, 1.5))

    assert_same_training(forward, [("conv", name, "relu")], ["conv", name, "relu"])


@COMMUTATIVE
def test_of_two_pending_operands_the_first_one_goes_on(name):
    def forward(net, x):
        return apply(name, net.conv(x), F.tanh(other_image()))

    assert_same_training(forward, [("conv", name), ("tanh", name)], ["tanh", ("conv", name)])


@COMMUTATIVE
def test_of_two_pending_operands_the_second_goes_on_where_no_pattern_takes_the_first_on(name):
    def forward(net, x):
        return apply(name, F.tanh(other_image()), net.conv(x))

    assert_same_training(forward, [("tanh", "relu"), ("conv", name)], ["tanh", ("conv", name)])


@COMMUTATIVE
def test_the_same_pending_result_on_both_sides_of_a_commutative_op(name):
    def forward(net, x):
        y = net.conv(x)
        return apply(name, y, y)

    out, net, _ = trained(forward, [("conv", name)])
    expected, other, _ = trained(forward)
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    np.testing.assert_allclose(net.weight.grad.numpy(), other.weight.grad.numpy(), rtol=1e-12)


@SIDES
def test_a_gradient_hook_on_the_chain_ends_it_before_a_commutative_op(turned):
    gradients = []

    def forward(net, x):
        y, other = net.conv(x), other_image()
        y.register_hook(lambda dy: gradients.append(dy.numpy().copy()))
        return other + y if turned else y + other

    assert_same_training(forward, [("conv", "add")], ["conv", "add"])
    np.testing.assert_array_equal(*gradients)


@SIDES
def test_a_gradient_hook_on_the_other_operand_of_a_fused_op_is_called(turned):
    gradients = []

    def forward(net, x):
        y, other = net.conv(x), other_image()
        other.register_hook(lambda dy: gradients.append(dy.numpy().copy()))
        return other + y if turned else y + other

    assert_same_training(forward, [("conv", "add")], [("conv", "add")])
    np.testing.assert_array_equal(*gradients)


@SIDES
def test_a_broadcast_operand_of_a_commutative_op_gets_its_gradient_in_its_shape(turned):
    biases = []

    def forward(net, x):
        y, bias = net.conv(x), cnnkit.tensor(np.ones((1, 2, 1, 1)), requires_grad=True)
        biases.append(bias)
        return bias + y if turned else y + bias

    assert_same_training(forward, [("conv", "add")], [("conv", "add")])
    np.testing.assert_array_equal(biases[0].grad.numpy(), biases[1].grad.numpy())
