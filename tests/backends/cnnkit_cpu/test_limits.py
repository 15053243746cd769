"""Where numbers are large: sums of many terms keep their digits, and absurd settings are NumPy's."""

import sys

import numpy as np
import pytest
from cnnkit_cpu import conv, library

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim


def ones(*shape):
    return cnnkit.tensor(np.ones(shape, np.float32))


def test_batch_norm_of_large_maps_keeps_its_digits():
    x = np.random.default_rng(0).standard_normal((1, 2, 1000, 1000), dtype=np.float32) + np.float32(1000)
    wide = x.astype(np.float64)
    want = (wide - wide.mean((2, 3), keepdims=True)) / np.sqrt(wide.var((2, 3), keepdims=True) + 1e-5)
    got = F.batch_norm(cnnkit.Tensor(x), None, None, training=True).numpy()
    assert np.abs(got - want).max() < 5e-5


def test_the_bias_of_many_rows_keeps_its_digits():
    bias = cnnkit.tensor(np.zeros(3, np.float32), requires_grad=True)
    y = F.linear(ones(200_000, 2), ones(3, 2), bias)
    y.backward(ones(200_000, 3) * 0.1)
    np.testing.assert_allclose(bias.grad.numpy(), 200_000 * float(np.float32(0.1)), rtol=1e-6)


def test_dampening_near_1_keeps_its_digits():
    p = cnnkit.tensor(np.zeros(1, np.float32), requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0, momentum=1e-6, dampening=0.999)
    p.grad = ones(1)
    optimizer.step()
    before = p.item()
    optimizer.step()
    assert before - p.item() == pytest.approx(0.001 + 1e-6, rel=2e-4)
    assert (optimizer.state_dict()["state"][0]["momentum_buffer"].item()
            == pytest.approx(0.001 + 1e-6, rel=1e-6))


def test_amsgrad_may_be_chosen_later():
    p = cnnkit.tensor(np.ones(5, np.float32), requires_grad=True)
    optimizer = optim.Adam([p], lr=0.1)
    p.grad = ones(5)
    optimizer.step()
    optimizer.param_groups[0]["amsgrad"] = True
    optimizer.step()
    state = optimizer.state_dict()["state"][0]
    np.testing.assert_array_equal(state["max_exp_avg_sq"].numpy(), state["exp_avg_sq"].numpy())


@pytest.mark.parametrize("stride", [2**20, 2**31 - 1, 2**31, 2**32, 2**40])
def test_absurd_strides(stride):
    x, w = (cnnkit.tensor(np.random.default_rng(0).standard_normal(s, dtype=np.float32))
            for s in ((2, 1, 5, 6), (3, 1, 2, 2)))
    with cnnkit.use("numpy"):
        once = F.conv2d(x, w).numpy()[:, :, :1, :1]
    np.testing.assert_allclose(F.conv2d(x, w, stride=stride).numpy(), once, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(F.max_pool2d(x, 2, stride).numpy(),
                                  x.numpy()[:, :, :2, :2].max((2, 3), keepdims=True))
    net = nn.Sequential(nn.Conv2d(1, 3, 2, stride=2**16), nn.ReLU(), nn.MaxPool2d(1, stride=2**16))
    assert net(x).shape == (2, 3, 1, 1)


def test_a_plans_room_is_that_of_the_threads_asked_for():
    plan = conv.FlatPlan(library.active, (4, 3, 8, 8), (5, 3, 3, 3), (4, 5, 6, 6), (1, 1), ((0, 0), (0, 0)),
                     (1, 1), 1, False, conv.NO_POOL, conv.ALONE)
    for_one, for_two = plan.rooms(1), plan.rooms(2)
    plan.rooms(1)

    def between(frame, event, argument):  # another thread asks for another number between any two lines
        if frame.f_code is conv.FlatPlan.rooms.__code__ and event == "line":
            sys.settrace(None)
            assert plan.rooms(1) == for_one
            sys.settrace(between)
        return between
    before = sys.gettrace()
    sys.settrace(between)
    try:
        got = plan.rooms(2)
    finally:
        sys.settrace(before)
    assert (got, plan.rooms(2), plan.rooms(1)) == (for_two, for_two, for_one)
    assert all(b > a for a, b in zip(for_one, for_two))
