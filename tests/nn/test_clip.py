"""Gradient clipping: PyTorch's factor and norms."""

import math

import numpy as np
import pytest

import cnnkit
from cnnkit import nn


def parameters(scale=1.0, backend="numpy"):
    rng = np.random.default_rng(0)
    params = []
    for shape in (3, 2), (4,), (2,):
        p = cnnkit.tensor(np.zeros(shape), requires_grad=True, backend=backend)
        p.grad = None if shape == (2,) else cnnkit.tensor(scale * rng.normal(size=shape), backend=backend)
        params.append(p)
    return params


@pytest.mark.needs("torch")
@pytest.mark.parametrize("library", ["numpy", "array-api-strict"])
@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, math.inf])
@pytest.mark.parametrize("scale", [0.01, 10.0])
def test_clipping_by_norm_equals_pytorch(library, norm_type, scale):
    torch = pytest.importorskip("torch")
    ours = parameters(scale, library)
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in ours]
    for t, p in zip(theirs, ours):
        t.grad = None if p.grad is None else torch.tensor(p.grad.numpy().copy())
    norm = nn.clip_grad_norm_(ours, 1.0, norm_type)
    assert norm.item() == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type).item(),
                                        rel=1e-12)
    for t, p in zip(theirs, ours):
        if t.grad is None:
            assert p.grad is None
        else:
            np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=1e-12)


def test_clipping_by_value_limits_every_element():
    params = parameters(10.0)
    before = [p.grad.numpy().copy() for p in params[:2]]
    nn.clip_grad_value_(params, 0.5)
    for p, b in zip(params, before):
        np.testing.assert_array_equal(p.grad.numpy(), b.clip(-0.5, 0.5))


def test_an_array_that_somebody_else_holds_as_gradient_is_not_written():
    params = parameters(10.0)
    gradient = params[0].grad.array
    original = gradient.copy()
    gradient.flags.writeable = False
    nn.clip_grad_norm_(params, 1.0)
    nn.clip_grad_value_(params, 0.1)
    np.testing.assert_array_equal(gradient, original)


def test_a_norm_that_is_not_finite_raises_where_asked():
    params = parameters()
    params[0].grad = cnnkit.tensor(np.full((3, 2), math.inf))
    with pytest.raises(RuntimeError, match="norm is inf"):
        nn.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)


def test_without_any_gradient_the_norm_is_zero():
    assert nn.clip_grad_norm_([cnnkit.tensor([1.0], requires_grad=True)], 1.0).item() == 0


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # of the norm that is beyond float32
@pytest.mark.parametrize("gradient", [[1e25], [3e25, 4e25], [1e20] * 100,
                                      [3e8, 4e8], [3e38] * 4, [3e-30, 4e-30]])
def test_squares_of_gradients_neither_overflow_nor_vanish(backend, gradient):
    p = cnnkit.tensor(np.zeros(len(gradient), np.float32), requires_grad=True)
    p.grad = cnnkit.tensor(np.array(gradient, np.float32))
    exact = np.linalg.norm(p.grad.numpy().astype(float))
    norm = nn.clip_grad_norm_(p, 1.0).item()
    assert norm == pytest.approx(exact if exact < 3.4e38 else math.inf, rel=1e-6)
    if backend.name in ("jax", "cupy") and exact > 3.4e38:
        pytest.skip("XLA, and CuPy's own kernels (-ftz=true), take a factor below 1e-38 for 0")
    clipped = np.linalg.norm(p.grad.numpy().astype(float))
    assert clipped == pytest.approx(min(1.0, exact), rel=1e-5)


def test_a_norm_of_float16_gradients_beyond_its_range_is_float32(backend):
    if not backend.has("float16"):
        pytest.skip(f"{backend.name} has no float16")
    p = cnnkit.tensor(np.zeros(1000), dtype="float16", requires_grad=True)
    p.grad = cnnkit.tensor(np.full(1000, 60000.0), dtype="float16")
    assert nn.clip_grad_norm_(p, 1.0).item() == pytest.approx(60000 * 1000 ** 0.5, rel=1e-3)
    assert p.grad.dtype == p.dtype
    np.testing.assert_allclose(p.grad.numpy(), 1000 ** -0.5, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of 0 times infinity
@pytest.mark.parametrize("norm_type", [2.0, 3.0, math.inf])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_scales_as_pytorch(backend, norm_type, value):
    p = cnnkit.tensor(np.zeros(2, np.float32), requires_grad=True)
    p.grad = cnnkit.tensor(np.array([value, 1.0], np.float32))
    assert repr(nn.clip_grad_norm_(p, 1.0, norm_type).item()) == repr(abs(value))
    np.testing.assert_array_equal(p.grad.numpy(), [math.nan, 0.0 if value == math.inf else math.nan])


def test_zeros_stay_zeros():
    p = cnnkit.tensor(np.zeros(2, np.float32), requires_grad=True)
    p.grad = cnnkit.tensor(np.zeros(2, np.float32))
    assert nn.clip_grad_norm_(p, 1.0).item() == 0
    np.testing.assert_array_equal(p.grad.numpy(), [0.0, 0.0])
