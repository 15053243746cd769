"""The rules of deferral on the loopback table (docs/architecture.md, "Fusion is a table key")."""

import copy
import gc
import threading

import numpy as np
import pytest
from loopback import loopback

import cnnkit
from cnnkit import functional as F
from cnnkit import nn
from cnnkit.autograd.tape import mode

TRIPLE = ("conv", "relu", "max_pool")


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


def test_a_chain_that_a_key_covers_runs_as_one_kernel():
    with loopback() as table:
        Net()(cnnkit.tensor(image()))
    assert table.calls == [TRIPLE]


def test_fused_output_and_gradients_equal_the_ops_one_by_one():
    net, x = Net(), cnnkit.tensor(image(), requires_grad=True)
    with loopback():
        out = net(x)
        (out * out).sum().backward()
    other_x = cnnkit.tensor(image(), requires_grad=True)
    with cnnkit.backends.tables():
        other = copy.deepcopy(net)
        other.zero_grad()
        expected = other(other_x)
        (expected * expected).sum().backward()
    np.testing.assert_array_equal(out.numpy(), expected.numpy())
    for a, b in ((x, other_x), (net.weight, other.weight), (net.bias, other.bias)):
        np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def test_outside_a_module_nothing_is_deferred():
    with loopback() as table:
        w = cnnkit.tensor(np.ones((1, 1, 3, 3)))
        F.relu(F.conv2d(cnnkit.tensor(image()), w))
    assert table.calls == ["conv", "relu"]


def test_a_shorter_key_runs_when_the_longer_one_is_declined():
    with loopback(decline=[TRIPLE]) as table:
        Net()(cnnkit.tensor(image()))
    assert table.calls == [("conv", "relu"), "max_pool"]


def test_single_ops_run_when_all_keys_are_declined():
    with loopback(decline=[TRIPLE, ("conv", "relu")]) as table:
        Net()(cnnkit.tensor(image()))
    assert table.calls == ["conv", "relu", "max_pool"]


def test_errors_of_shape_are_raised_at_the_call_and_not_at_the_read():
    reached = []

    def forward(net, x):
        with pytest.raises(ValueError, match="shape"):
            F.conv2d(x, cnnkit.tensor(np.zeros((2, 5, 3, 3))))
        reached.append(True)
        return net.conv(x)

    with loopback():
        Net(forward)(cnnkit.tensor(image()))
    assert reached


def test_errors_of_dtype_are_raised_at_the_call():
    with loopback(), pytest.raises(TypeError, match="float32"):
        Net()(cnnkit.tensor(image(), dtype="float32"))


def test_shape_and_dtype_are_known_while_the_result_is_pending():
    def forward(net, x):
        y = net.conv(x)
        assert y.shape == (2, 2, 6, 6)
        assert y.ndim == 4
        assert y.dtype == np.float64
        assert y._link is not None, "reading the shape must not compute it"
        return F.relu(y)

    with loopback() as table:
        Net(forward)(cnnkit.tensor(image()))
    assert table.calls == [("conv", "relu")]


def test_a_parameter_changed_before_the_read_does_not_change_the_result():
    net, x = Net(), image()
    expected, _ = plain(net, x)

    def forward(net, x):
        y = net.conv(x)
        with cnnkit.no_grad():
            net.weight.zero_()
        return F.max_pool2d(F.relu(y), 2)

    net.body = forward
    with loopback() as table:
        out = net(cnnkit.tensor(x))
    assert table.calls == [TRIPLE]
    np.testing.assert_array_equal(out.numpy(), expected.numpy())


def test_a_parameter_changed_before_the_read_is_noticed_by_backward():
    def forward(net, x):
        y = net.conv(x)
        with cnnkit.no_grad():
            net.weight.zero_()
        return F.relu(y)

    with loopback():
        out = Net(forward)(cnnkit.tensor(image()))
    with pytest.raises(RuntimeError, match="changed in place"):
        out.sum().backward()


def test_an_input_buffer_reused_after_the_call_does_not_change_the_result():
    net, buffer = Net(lambda net, x: net.conv(x)), image()
    expected, _ = plain(net, buffer.copy())
    with loopback():
        out = net(cnnkit.Tensor(buffer))
        buffer[:] = 0
    np.testing.assert_array_equal(out.numpy(), expected.numpy())


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


def test_frozen_weights_get_no_gradient_and_thawing_them_later_changes_nothing():
    net = Net()
    net.weight.requires_grad_(False)

    def forward(net, x):
        y = net.conv(x)
        net.weight.requires_grad_(True)
        return F.max_pool2d(F.relu(y), 2)

    net.body = forward
    with loopback() as table:
        net(cnnkit.tensor(image())).sum().backward()
    assert table.calls == [TRIPLE, "sum"]
    assert net.weight.grad is None
    assert net.bias.grad is not None


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


def test_a_middle_result_read_before_the_chain_ends_is_computed_once():
    def forward(net, x):
        y = net.conv(x)
        y.numpy()
        return F.max_pool2d(F.relu(y), 2)

    with loopback() as table:
        Net(forward)(cnnkit.tensor(image())).sum().backward()
    assert table.calls == ["conv", "relu", "max_pool", "sum"]


def test_a_middle_result_read_after_its_chain_ran_is_an_independent_node():
    net, x = Net(), image()

    def forward(net, x):
        y = F.relu(net.conv(x))
        return F.max_pool2d(y, 2).sum() + y.sum()

    net.body = forward
    with loopback() as table:
        net(cnnkit.tensor(x)).backward()
    assert table.calls[0] == TRIPLE
    with cnnkit.backends.tables():
        other = Net(forward)
        other(cnnkit.tensor(x)).backward()
    np.testing.assert_allclose(net.weight.grad.numpy(), other.weight.grad.numpy(), rtol=1e-12)


def test_a_result_used_by_two_ops_gets_both_gradients():
    net, x = Net(), image()

    def forward(net, x):
        y = net.conv(x)
        return F.relu(y).sum() + (y * y).sum()

    net.body = forward
    with loopback():
        net(cnnkit.tensor(x)).backward()
    with cnnkit.backends.tables():
        other = Net(forward)
        other(cnnkit.tensor(x)).backward()
    np.testing.assert_allclose(net.weight.grad.numpy(), other.weight.grad.numpy(), rtol=1e-12)


def test_the_same_pending_result_as_both_inputs_of_an_op():
    def forward(net, x):
        y = net.conv(x)
        return y * y

    with loopback([("conv", "mul")]):
        out = Net(forward)(cnnkit.tensor(image()))
    with cnnkit.backends.tables():
        expected = Net(forward)(cnnkit.tensor(image()))
    np.testing.assert_array_equal(out.numpy(), expected.numpy())


def test_an_exception_in_the_middle_leaves_nothing_pending():
    held = []

    def forward(net, x):
        held.append(net.conv(x))
        raise KeyError("on purpose")

    with loopback() as table:
        with pytest.raises(KeyError, match="on purpose"):
            Net(forward)(cnnkit.tensor(image()))
        assert table.calls == ["conv"]
        assert held[0]._link is None
        assert not mode.inside
        Net()(cnnkit.tensor(image()))
    assert table.calls == ["conv", TRIPLE]


def test_leaving_the_outermost_module_computes_what_it_returns():
    with loopback():
        out = Net(lambda net, x: (net.conv(x), [net.conv(x)]))(cnnkit.tensor(image()))
    assert out[0]._link is None
    assert out[1][0]._link is None


def test_results_that_nobody_holds_any_more_are_not_computed():
    def forward(net, x):
        net.conv(x)
        gc.collect()
        return x

    with loopback() as table:
        Net(forward)(cnnkit.tensor(image()))
    assert table.calls == []


def test_no_grad_results_require_no_gradient_and_still_fuse():
    with loopback() as table, cnnkit.no_grad():
        out = Net()(cnnkit.tensor(image()))
    assert table.calls == [TRIPLE]
    assert not out.requires_grad


def test_a_chain_does_not_extend_from_one_grad_mode_into_another():
    def forward(net, x):
        y = net.conv(x)
        with cnnkit.no_grad():
            return F.relu(y)

    with loopback() as table:
        out = Net(forward)(cnnkit.tensor(image()))
    assert table.calls == ["conv", "relu"]
    assert not out.requires_grad


def test_the_grad_mode_at_the_call_counts_and_not_the_one_at_the_read():
    def forward(net, x):
        y = net.conv(x)
        with cnnkit.no_grad():
            y.numpy()
        return y

    with loopback():
        assert Net(forward)(cnnkit.tensor(image())).requires_grad


def test_the_version_of_an_input_changed_after_a_fused_call_is_checked():
    net = Net()
    with loopback():
        out = net(cnnkit.tensor(image())).sum()
    with cnnkit.no_grad():
        net.weight.add_(1.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        out.backward()


def test_two_threads_defer_independently():
    barrier, failures = threading.Barrier(2, timeout=30), []
    net = Net()
    expected, _ = plain(net, image())

    def forward(net, x):
        y = net.conv(x)
        barrier.wait()
        y = F.relu(y)
        barrier.wait()
        return F.max_pool2d(y, 2)

    net.body = forward

    def work(table):
        try:
            with cnnkit.backends.tables("loopback"):
                out = net(cnnkit.tensor(image()))
            np.testing.assert_array_equal(out.numpy(), expected.numpy())
            assert not mode.inside
        except BaseException as error:
            failures.append(error)

    with loopback() as table:
        threads = [threading.Thread(target=work, args=(table,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert table.calls == [TRIPLE, TRIPLE]


def test_deep_copying_a_pending_or_recorded_result_raises():
    def forward(net, x):
        y = net.conv(x)
        with pytest.raises(RuntimeError, match="deep-copied"):
            copy.deepcopy(y)
        return y

    with loopback():
        out = Net(forward)(cnnkit.tensor(image()))
    with pytest.raises(RuntimeError, match="deep-copied"):
        copy.deepcopy(out)


def test_a_pending_result_replaced_in_place_does_not_disturb_its_chain():
    net, x = Net(), image()
    expected, _ = plain(net, x)

    def forward(net, x):
        with cnnkit.no_grad():
            y = net.conv(x)
            z = F.relu(y)
            y.zero_()
            return F.max_pool2d(z, 2)

    net.body = forward
    with loopback() as table:
        out = net(cnnkit.tensor(x))
    assert table.calls == [TRIPLE]
    np.testing.assert_array_equal(out.numpy(), expected.numpy())


def test_memory_handed_out_in_the_middle_may_be_written_to():
    net, x = Net(), image()
    expected, _ = plain(net, x)

    def forward(net, x):
        y = net.conv(x)
        x.numpy()[...] = 0
        return F.max_pool2d(F.relu(y), 2)

    net.body = forward
    with loopback():
        out = net(cnnkit.tensor(x))
    np.testing.assert_array_equal(out.numpy(), expected.numpy())


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
