"""The dense layer: few and many rows and columns, instruction sets, threads, NaN and infinity."""

import numpy as np
import pytest
from chains import chain
from cnnkit_cpu import library, linear

SHAPES = [(1, 1, 1), (1, 70, 300), (5, 33, 3), (23, 100, 50), (24, 17, 24), (33, 130, 27), (130, 1, 40),
          (64, 300, 129), (140, 129, 10), (150, 20, 600), (300, 5, 31), (129, 257, 1)]
NAMES = ("y", "dx", "dweight", "dbias")


def arrays(N, I, O):
    rng = np.random.default_rng(N + I + O)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in ((N, I), (O, I), (O,), (N, O))]


def layer(x, weight, bias, dy, *, relu=False, needs=(True, True, True)):
    if relu:
        outputs = linear.linear_chain(x, weight, bias, needs=needs, calls=chain(("linear", "relu"), ({}, {})))
    else:
        outputs = linear.linear(x, weight, bias, needs=needs)
    y, backward = outputs
    return (y, *backward(dy))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_float64(forced, shape, relu):
    x, weight, bias, dy = arrays(*shape)
    got = layer(x, weight, bias, dy, relu=relu)
    x, weight, bias, dy = (a.astype(np.float64) for a in (x, weight, bias, dy))
    y = x @ weight.T + bias
    if relu:
        dy = np.where(got[0] > 0, dy, 0)
        y = np.maximum(y, 0)
    for name, result, exact in zip(NAMES, got, (y, dy @ weight, dy.T @ x, dy.sum(0))):
        np.testing.assert_allclose(result, exact, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_bits_do_not_depend_on_the_number_of_threads(forced, shape, relu, monkeypatch):
    results = []
    for threads in (1, 2, 5, 16):
        monkeypatch.setattr(library, "threads", threads)
        results.append([a.tobytes() for a in layer(*arrays(*shape), relu=relu)])
    assert results[1:] == results[:1] * 3


@pytest.mark.parametrize("shape", SHAPES)
def test_nan_and_infinity_reach_what_they_should_and_nothing_else(forced, shape):
    for place in range(3):
        x, weight, bias, dy = arrays(*shape)
        for value, fraction in ((np.nan, 0.0), (np.inf, 0.6), (-np.inf, 0.999)):
            (x, weight, dy)[place].flat[int(fraction * (x, weight, dy)[place].size)] = value
        got = layer(x, weight, bias, dy)
        with np.errstate(invalid="ignore"):
            x, weight, bias, dy = (a.astype(np.float64) for a in (x, weight, bias, dy))
            by_output = dy[:, :, None]
            expected = ((x[:, None] * weight).sum(2) + bias, (by_output * weight).sum(1),
                        (by_output * x[:, None]).sum(0), dy.sum(0))
        for name, result, exact in zip(NAMES, got, expected):
            not_finite = ~np.isfinite(exact)
            np.testing.assert_array_equal(~np.isfinite(result), not_finite, err_msg=name)
            np.testing.assert_array_equal(result[not_finite], exact[not_finite], err_msg=name)


@pytest.mark.parametrize("shape", [(5, 33, 3), (64, 300, 129)])
@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False),
                                   (False, False, True), (True, False, True)])
def test_a_gradient_alone_is_the_same(forced, shape, needs):
    all_gradients, requested = (layer(*arrays(*shape), relu=True, needs=n)
                                for n in ((True, True, True), needs))
    for expected, gradient, needed in zip(all_gradients[1:], requested[1:], needs):
        assert (gradient is None) == (not needed)
        assert gradient is None or expected.tobytes() == gradient.tobytes()
