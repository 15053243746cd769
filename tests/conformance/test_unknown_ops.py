"""Chains with a new op in a known role: kernels must not mistake it for the op that they were written for."""

import contextlib

import numpy as np
import pytest

from cnnkit import backends, ops
from cnnkit.backends.kernel import KERNEL_KINDS
from cnnkit.ops import OPS
from cnnkit.ops.core import Call, run_calls

CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "ceil_mode": False}
MAX, AVG = {**POOL, "dilation": (1, 1)}, {**POOL, "count_include_pad": True, "divisor_override": None}
NORM = {"training": True, "momentum": 0.1, "eps": 1e-5}


def like_first(shapes, dtypes, **attrs):
    return ((shapes[0], dtypes[0]),)


def minus_conv(x, weight, bias, *, needs, **attrs):
    """A convolution with the other sign."""
    y, backward = OPS["conv"].generic(x, weight, bias, needs=needs, **attrs)
    return -y, backward and (lambda dy: backward(-dy))


def minus_linear(x, weight, bias, *, needs):
    """A dense layer with the other sign."""
    y, backward = OPS["linear"].generic(x, weight, bias, needs=needs)
    return -y, backward and (lambda dy: backward(-dy))


def square(x, *, needs):
    """x * x, which falls and grows."""
    return x * x, (lambda dy: (2 * x * dy,)) if needs[0] else None


def cube(x, *, needs):
    """x * x * x, which only grows."""
    return x * x * x, (lambda dy: (3 * x * x * dy,)) if needs[0] else None


def sum_pool(x, *, needs, **attrs):
    """The sums of windows of 2 x 2."""
    xp, (N, C, H, W) = backends.namespace_of(x), x.shape
    y = xp.sum(xp.reshape(x, (N, C, H // 2, 2, W // 2, 2)), axis=(3, 5))

    def backward(dy):
        spread = xp.broadcast_to(xp.reshape(dy, (N, C, H // 2, 1, W // 2, 1)), (N, C, H // 2, 2, W // 2, 2))
        return (xp.reshape(spread, (N, C, H, W)),)
    return y, backward if needs[0] else None


def scaled(x, weight, bias, mean, var, *, needs, **attrs):
    """x with every channel scaled, whatever its statistics are."""
    xp, (C,) = backends.namespace_of(x), weight.shape
    w = xp.reshape(weight, (1, C, 1, 1))

    def backward(dy):
        return dy * w, xp.sum(dy * x, axis=(0, 2, 3)), xp.sum(dy, axis=(0, 2, 3)), None, None
    return x * w + xp.reshape(bias, (1, C, 1, 1)), backward if any(needs) else None


def difference(x, y, *, needs):
    """x - y, with the role of an addition."""
    return x - y, (lambda d: (d, -d)) if any(needs) else None


@pytest.fixture
def new_ops():
    """Ops with roles of shipped kernels and without kernels of their own, until the test's end."""
    with contextlib.ExitStack() as stack:
        for function, infer, sheet in (
                (minus_conv, OPS["conv"].infer, {"role": "conv"}),
                (minus_linear, OPS["linear"].infer, {"role": "linear"}),
                (square, like_first, {"role": "activation"}),
                (cube, like_first, {"role": "activation", "increasing": True}),
                (sum_pool, OPS["avg_pool"].infer, {"role": "pool"}),
                (scaled, like_first, {"role": "norm"}),
                (difference, like_first, {"role": "add"})):
            op = ops.op(function, infer=infer, **sheet)
            for register in (OPS, KERNEL_KINDS):
                stack.callback(register.pop, op.name)
        yield


CHAINS = {
    "minus_conv": (CONV, 3), "conv": (CONV, 3), "square": ({}, 1), "cube": ({}, 1), "relu": ({}, 1),
    "add": ({}, 2), "difference": ({}, 2), "scaled": (NORM, 5), "batch_norm": (NORM, 5),
    "max_pool": (MAX, 1), "avg_pool": (AVG, 1), "linear": ({}, 3), "minus_linear": ({}, 3),
}


def arrays_of(name, is_first, rng):
    """The arrays that an op takes, without the one that the chain hands it."""
    def normal(*shape):
        return rng.standard_normal(shape, dtype=np.float32)

    if name in ("conv", "minus_conv"):
        return [normal(2, 1, 8, 8), normal(4, 1, 3, 3), normal(4)]
    if name in ("linear", "minus_linear"):
        return [normal(5, 6), normal(4, 6), normal(4)]
    if name in ("batch_norm", "scaled"):
        mean, var = np.zeros(16, np.float32), np.ones(16, np.float32)
        return [normal(2, 16, 8, 8), normal(16), normal(16), mean, var]
    return [] if not is_first and CHAINS.get(name, ({}, 1))[1] == 1 else [normal(2, 16, 8, 8)]


def channels_last(array):
    """The same values with the channels last in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


# channels that lie last in memory, and images that need a gradient; or neither
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("names", [
    ("minus_conv", "relu"), ("minus_conv", "max_pool"), ("minus_conv", "relu", "max_pool"),
    ("minus_conv", "cube"), ("conv", "square"), ("conv", "cube"), ("conv", "square", "max_pool"),
    ("conv", "cube", "max_pool"), ("conv", "cube", "avg_pool"), ("conv", "sum_pool"),
    ("conv", "relu", "sum_pool"), ("conv", "cube", "sum_pool"), ("scaled", "relu"), ("scaled", "add"),
    ("scaled", "add", "relu"), ("batch_norm", "square"), ("batch_norm", "add", "square"),
    ("batch_norm", "difference"), ("batch_norm", "difference", "relu"), ("linear", "square"),
    ("minus_linear", "relu"),
], ids="+".join)
def test_a_chain_with_an_op_that_no_kernel_knows_is_what_its_ops_are(backend, new_ops, names, last):
    rng, calls, inputs = np.random.default_rng(0), [], []
    for position, name in enumerate(names):
        attrs, count = CHAINS.get(name, (AVG, 1))
        calls.append(Call(OPS[name], attrs, count - (position > 0)))
        inputs += arrays_of(name, position == 0, rng)
    if last and inputs[0].ndim == 4:
        inputs = [channels_last(a) if a.ndim == 4 else a for a in inputs]
    arrays = [backend.asarray(a) for a in inputs]
    statistics = (3, 4) if names[0] in ("batch_norm", "scaled") else ()
    needs = tuple(position not in statistics and (last or position > 0) for position in range(len(arrays)))
    (y, *_), backward = run_calls(calls, arrays, needs)
    with backends.tables():
        (expected, *_), expected_backward = ops.compose(calls, arrays, needs)
    np.testing.assert_allclose(backend.to_numpy(y), backend.to_numpy(expected), rtol=1e-4, atol=1e-4)
    dy = backend.asarray(rng.standard_normal(expected.shape, dtype=np.float32))
    for dx, expected_dx in zip(backward(dy), expected_backward(dy), strict=True):
        assert (dx is None) == (expected_dx is None)
        if dx is not None:
            np.testing.assert_allclose(backend.to_numpy(dx), backend.to_numpy(expected_dx),
                                       rtol=1e-3, atol=1e-3)
