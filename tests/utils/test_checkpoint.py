"""A checkpoint changes neither results nor gradients nor random draws."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn
from cnnkit.utils.checkpoint import checkpoint, checkpoint_sequential


def gradients(net, x, run):
    cnnkit.manual_seed(3)
    net.zero_grad()
    leaf = cnnkit.tensor(x, requires_grad=True)
    y = run(net, leaf)
    y.square().sum().backward()
    return [y.detach().numpy(), leaf.grad.numpy(), *(p.grad.numpy() for p in net.parameters()),
            cnnkit.rand(2).numpy()]


@pytest.mark.parametrize("run", [checkpoint,
                                 lambda net, x: checkpoint_sequential(net, 2, x, use_reentrant=False),
                                 lambda net, x: checkpoint(lambda a: (a, net(a * 1)), x)[1]])
def test_results_gradients_and_draws_are_the_same(run):
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(27, 2))
    x = np.random.default_rng(0).normal(size=(2, 2, 5, 5)).astype("float32")
    plain = gradients(net, x, lambda net, x: net(x))
    for a, b in zip(plain, gradients(net, x, run), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-6)


def test_parameters_get_gradients_where_no_input_needs_one():
    layer = nn.Linear(2, 1)
    checkpoint(layer, cnnkit.ones(1, 2)).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]


def test_the_function_runs_again_in_backward_and_not_without_gradients():
    calls = []

    def double(x):
        calls.append(1)
        return x * 2
    y = checkpoint(double, cnnkit.ones(1, requires_grad=True))
    assert len(calls) == 1
    y.backward()
    assert len(calls) == 2
    with cnnkit.no_grad():
        assert not checkpoint(double, cnnkit.ones(1, requires_grad=True)).requires_grad
    assert not checkpoint(double, cnnkit.ones(1)).requires_grad


def test_second_derivatives_are_refused():
    x = cnnkit.ones(1, requires_grad=True)
    with pytest.raises(RuntimeError, match="no second derivatives"):
        cnnkit.autograd.grad(checkpoint(lambda x: x * x, x).sum(), x, create_graph=True)
