"""Activations, alone and behind batch norm, on each instruction set, against the same ops in float64."""

import numpy as np
import pytest
from chains import chain
from cnnkit_cpu import activation, layout, library

from cnnkit import backends
from cnnkit.conformance.cases.fused import ACTIVATIONS
from cnnkit.ops.core import OPS, compose

SETTINGS = [*ACTIVATIONS.items(), ("gelu", {"approximate": "tanh"}), ("leaky_relu", {"negative_slope": -0.5})]
NUMBERS = np.concatenate([np.linspace(-105, 95, 4001), np.linspace(-4, 4, 4000), np.geomspace(1e-30, 1, 500),
                          -np.geomspace(1e-30, 1, 500)]).astype(np.float32)


def kernel_of(calls):
    return backends.get("numpy").resolve().of_chain([call.op for call in calls])[0]


@pytest.mark.parametrize(("op", "attrs"), SETTINGS)
def test_values_and_derivatives_over_all_sizes_of_numbers(forced, op, attrs):
    dy = np.linspace(1, 2, NUMBERS.size, dtype=np.float32)
    y, backward = activation.activation(op)(NUMBERS, needs=(True,), **attrs)
    (exact,), backward64 = OPS[op](NUMBERS.astype(np.float64), needs=(True,), **attrs)
    slope, exact_slope = backward(dy)[0], backward64(dy.astype(np.float64))[0]
    assert np.all(np.abs(y - exact) <= 1e-6 * np.abs(exact) + 1e-7)
    assert np.all(np.abs(slope - exact_slope) <= 1e-6 * np.abs(exact_slope) + 1e-6)
    assert y.dtype == slope.dtype == np.float32


@pytest.mark.parametrize(("op", "attrs"), SETTINGS)
def test_every_element_has_the_same_bits_wherever_it_lies(forced, op, attrs, monkeypatch):
    results = []
    for threads, part in ((1, slice(None)), (2, slice(None)), (1, slice(3, None)), (1, slice(0, 40_001))):
        monkeypatch.setattr(library, "threads", threads)
        x = np.tile(NUMBERS, 8)
        y, backward = activation.activation(op)(x[part].copy(), needs=(True,), **attrs)
        whole = np.empty((2, x.size), np.float32)
        whole[:, part] = y, backward(y)[0]
        results.append(whole[:, 3:40_001].tobytes())
    assert len({*results}) == 1


@pytest.mark.parametrize("shape", [(3, 33, 17, 9), (2, 16, 5, 5), (4, 5, 40, 30)])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(("op", "attrs"), SETTINGS)
def test_behind_batch_norm_they_are_one_kernel(forced, op, attrs, shape, last, monkeypatch):
    rng, C = np.random.default_rng(4), shape[1]
    x, dy = rng.standard_normal((2, *shape), dtype=np.float32)
    if last:
        x, dy = layout.to_channels_last(x), layout.to_channels_last(dy)
    arrays = [x, *rng.standard_normal((2, C), np.float32), np.zeros(C, np.float32), np.ones(C, np.float32)]
    calls = chain(("batch_norm", op), [{"training": True, "momentum": 0.1, "eps": 1e-5}, attrs])
    needs = (True, True, True, False, False)
    bits = []
    for threads in (1, 2):
        monkeypatch.setattr(library, "threads", threads)
        outputs, backward = kernel_of(calls)(*arrays, needs=needs, calls=calls)
        gradients = backward(dy)[:3]
        bits.append([a.tobytes() for a in (*outputs, *gradients)])
    assert bits[0] == bits[1]
    assert layout.is_channels_last(outputs[0]) == layout.is_channels_last(gradients[0]) == last
    exact, backward64 = compose(calls, [a.astype(np.float64) for a in arrays], needs)
    for got, expected in zip((*outputs, *gradients), (*exact, *backward64(dy.astype(np.float64)))):
        if op in ("hardtanh", "hardswish", "hardsigmoid", "leaky_relu", "selu"):  # steps, by rounding
            off = np.abs(got - expected) > 2e-4 * np.abs(expected).max()
            assert off.mean() < 1e-3
        else:
            assert np.abs(got - expected).max() <= 2e-4 * np.abs(expected).max()


def test_relu_behind_batch_norm_reads_no_result_where_channels_lie_last(forced):
    numbers = np.random.default_rng(0).standard_normal((2, 3, 20, 5, 4), np.float32)
    x, dy = map(layout.to_channels_last, numbers)
    calls = chain(("batch_norm", "relu"), [{"training": True, "momentum": 0.1, "eps": 1e-5}, {}])
    ((y, *_), backward) = kernel_of(calls)(x, *(None,) * 4, needs=(True, *(False,) * 4), calls=calls)
    expected = backward(dy)[0].copy()
    y[...] = -1
    assert np.array_equal(backward(dy)[0], expected)
    assert expected.any()


def test_what_is_behind_an_addend_is_relu_or_another_kernel_s():
    x = layout.to_channels_last(np.ones((2, 4, 3, 3), np.float32))
    calls = chain(("batch_norm", "add", "silu"), [{"training": True, "momentum": 0.1, "eps": 1e-5}, {}, {}])
    arrays = (x, None, None, None, None, x)
    assert kernel_of(calls)(*arrays, needs=(True, *(False,) * 5), calls=calls) is NotImplemented
