"""The rules of deferral on the loopback table (docs/architecture.md, "Fusion by role")."""

import copy
import gc
import threading

import numpy as np
import pytest
from deferred_nets import Net, image, plain
from loopback import loopback

import cnnkit
from cnnkit import functional as F
from cnnkit.autograd.tape import mode

TRIPLE = ("conv", "relu", "max_pool")


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
