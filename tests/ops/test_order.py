"""Ops that do not care for the order of the axes keep it, also where a library's results are in C order."""

import numpy as np
import pytest

from cnnkit import Tensor, backends
from cnnkit.backends.order import memory_order
from cnnkit.ops import OPS

LAST = (0, 3, 1, 2)
SHAPE = (2, 3, 4, 5)

CALLS = {  # op -> shapes of its arrays, and attributes
    **{op: ((SHAPE, SHAPE), {}) for op in ("add", "sub", "mul", "div", "pow", "less", "greater_equal")},
    "add-bias": ((SHAPE, (3, 1, 1)), {}), "mul-gates": ((SHAPE, (2, 3, 1, 1)), {}),
    "mul-on-the-left": (((1,), SHAPE), {}), "add-number": ((SHAPE, None), {}),
    "mul-0d": ((SHAPE, ()), {}),
    "where": ((SHAPE, SHAPE, SHAPE), {}),
    "concat": ((SHAPE, (2, 2, 4, 5)), {"axis": 1}), "concat-from-the-end": ((SHAPE, SHAPE), {"axis": -3}),
    "pad": ((SHAPE,), {"pads": ((0, 0), (0, 0), (1, 2), (3, 0)), "value": 0.5}),
    "pad-channels": ((SHAPE,), {"pads": ((0, 0), (2, -1), (0, 0), (0, -2)), "value": 0.0}),
    "softmax": ((SHAPE,), {"axis": 1}), "log_softmax": ((SHAPE,), {"axis": -1}),
    "clip": ((SHAPE,), {"min": 0.8, "max": 1.2}),
}


def channels_last(backend, values):
    last = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
    return backend.namespace.permute_dims(backend.asarray(last), LAST)


@pytest.fixture
def emulator():
    """The emulator, whose results are in C order, without kernels."""
    row = next(row for row in backends.list() if row.name == "emulator")
    if not row.available:
        pytest.skip(row.reason)
    with backends.tables():
        yield backends.get("emulator")


@pytest.mark.parametrize("name", CALLS)
def test_the_channels_stay_last_and_the_numbers_are_those_of_c_order(emulator, name):
    shapes, attrs = CALLS[name]
    op, rng = OPS[name.split("-", maxsplit=1)[0]], np.random.default_rng(0)
    hosts = [2.0 if s is None else rng.uniform(0.5, 1.5, s) for s in shapes]
    if op.name == "where":
        hosts[0] = hosts[0] > 1

    def run(convert):
        arrays = [convert(a) if isinstance(a, np.ndarray) and a.ndim == 4
                  else emulator.asarray(a) if isinstance(a, np.ndarray) else a for a in hosts]
        (y,), backward = op(*arrays, needs=[isinstance(a, np.ndarray) and a.dtype != bool for a in hosts],
                            **attrs)
        dy = np.linspace(-1, 1, y.size).reshape(y.shape)
        return y, [] if backward is None else backward(convert(dy))
    y, gradients = run(lambda a: channels_last(emulator, a))
    expected, expected_gradients = run(emulator.asarray)
    assert memory_order([y]) == (0, 2, 3, 1)
    np.testing.assert_array_equal(emulator.to_numpy(y), emulator.to_numpy(expected))
    for host, dx, want in zip(hosts, gradients, expected_gradients):
        assert (dx is None) == (want is None)
        if dx is not None and isinstance(host, np.ndarray):
            assert dx.shape == host.shape
            np.testing.assert_allclose(emulator.to_numpy(dx), emulator.to_numpy(want), rtol=1e-12, atol=1e-12)
            if host.shape == SHAPE:
                assert memory_order([dx]) == (0, 2, 3, 1)


def test_gradients_that_meet_keep_the_order(emulator):
    x = Tensor(channels_last(emulator, np.ones(SHAPE)), requires_grad=True)
    y = x * 2.0
    (y.exp() + y.sqrt()).sum().backward()
    assert memory_order([x.grad.array]) == (0, 2, 3, 1)
    y = np.full(SHAPE, 2.0)
    np.testing.assert_allclose(x.grad.numpy(), 2 * (np.exp(y) + 0.5 / np.sqrt(y)), rtol=1e-12)


@pytest.mark.parametrize(("strides", "shape", "order"), [
    ((60, 20, 5, 1), SHAPE, None), ((60, 1, 15, 3), SHAPE, (0, 2, 3, 1)),
    ((0, 1, 15, 3), (1, 3, 4, 5), (0, 2, 3, 1)),  # where an axis of one element lies says nothing
    ((3, 1, 3, 3), (2, 3, 1, 1), None), ((3, 1, 0, 0), SHAPE, None), ((-60, 1, 15, 3), SHAPE, (0, 2, 3, 1)),
    ((1, 4), (4, 6), (1, 0)), ((4,), (4,), None), ((), (), None),
])
def test_the_order_of_memory(strides, shape, order):
    class Array:
        ndim, size = len(shape), int(np.prod(shape))
    Array.shape, Array.strides = shape, strides
    assert memory_order([2.0, None, Array, np.ones(3)]) == order


def test_the_largest_array_says_the_order():
    small, large = np.ones((1, 5, 1, 3)).transpose(LAST), np.ones(SHAPE)
    assert memory_order([small, large]) is None
    assert memory_order([large.reshape(2, 4, 5, 3).transpose(LAST), np.ones((9, 9, 9))]) == (0, 2, 3, 1)
