"""Batch normalisation: against PyTorch and loops, with its running statistics, in both memory layouts."""

import numpy as np
import pytest
from against_torch import PLACES, Place, compare, run

from cnnkit import backends
from cnnkit.ops.norm import batch_norm

SHAPES = [(4, 3), (2, 3, 4, 5), (1, 3, 9, 8), (2, 3, 7), (2, 1, 2, 2)]
TRAIN = {"training": True, "momentum": 0.1, "eps": 1e-5}


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


@pytest.fixture
def F():
    return pytest.importorskip("torch").nn.functional


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def arguments(rng, shape, affine=True, running=True):
    C = shape[1]
    return [rng.normal(3, 2, shape), *((rng.normal(size=C), rng.normal(size=C)) if affine else (None, None)),
            *((rng.normal(size=C), rng.random(C) + 0.5) if running else (None, None))]


@pytest.mark.needs("torch")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_pytorch_in_every_gradient(place, F, rng, shape, affine, training):
    import torch
    x, weight, bias, mean, var = arguments(rng, shape, affine)
    new_mean, new_var = torch.tensor(mean), torch.tensor(var)

    def reference(x, weight, bias):
        return F.batch_norm(x, new_mean, new_var, weight, bias, training, 0.3, 1e-3)

    def with_statistics(x, weight, bias, *, needs, **attrs):
        outputs, backward = batch_norm(x, weight, bias, place.array(mean), place.array(var),
                                       needs=[*needs, False, False], **attrs)
        return outputs, lambda dy: backward(dy)[:3]
    outputs = compare(place, with_statistics, reference, [x, weight, bias],
                      {"training": training, "momentum": 0.3, "eps": 1e-3})
    if training:
        np.testing.assert_allclose(outputs[1], new_mean.numpy(), **place.close)
        np.testing.assert_allclose(outputs[2], new_var.numpy(), **place.close)
    else:
        assert outputs[1] is outputs[2] is None


def test_is_its_definition(anywhere, rng):
    shape = N, C, H, W = 2, 3, 2, 2
    arrays = arguments(rng, shape)
    x, weight, bias, mean, var = arrays
    dy = rng.normal(size=shape)
    outputs, (dx, dweight, dbias, *_) = run(anywhere, batch_norm, arrays, TRAIN, dy,
                                            [True, True, True, False, False])
    y, new_mean, new_var = (np.empty(s) for s in (shape, C, C))
    expected, expected_weight, expected_bias = (np.empty(s) for s in (shape, C, C))
    for c in range(C):
        values = [float(x[n, c, h, w]) for n in range(N) for h in range(H) for w in range(W)]
        m = sum(values) / len(values)
        v = sum((u - m) ** 2 for u in values) / len(values)
        new_mean[c] = 0.9 * mean[c] + 0.1 * m
        new_var[c] = 0.9 * var[c] + 0.1 * v * len(values) / (len(values) - 1)
        normal = [(u - m) / (v + 1e-5) ** 0.5 for u in values]
        y[:, c] = np.reshape([weight[c] * u + bias[c] for u in normal], (N, H, W))
        d = [float(dy[n, c, h, w]) for n in range(N) for h in range(H) for w in range(W)]
        expected_bias[c], expected_weight[c] = sum(d), sum(a * b for a, b in zip(d, normal))
        scale = weight[c] / (v + 1e-5) ** 0.5
        projection, mean_dy = expected_weight[c] / len(d), expected_bias[c] / len(d)
        dx_c = [scale * (a - mean_dy - u * projection) for a, u in zip(d, normal)]
        expected[:, c] = np.reshape(dx_c, (N, H, W))
    for actual, reference in zip([*outputs, dx, dweight, dbias],
                             [y, new_mean, new_var, expected, expected_weight, expected_bias]):
        np.testing.assert_allclose(actual, reference, **anywhere.close)


def test_without_running_statistics_none_are_returned(place, rng):
    outputs, _ = run(place, batch_norm, arguments(rng, (4, 3), running=False), TRAIN)
    assert outputs[1] is outputs[2] is None


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_result_is_the_same_in_every_memory_layout_and_keeps_it(rng, kernel, training):
    x, *parameters = arguments(rng, (4, 6, 5, 7))
    dy = rng.normal(size=x.shape)
    results = []
    for layout in (0, 1, 2, 3), (0, 3, 1, 2), (2, 1, 0, 3):
        laid_out = np.ascontiguousarray(x.transpose(np.argsort(layout))).transpose(layout)
        assert (laid_out == x).all()
        with backends.tables(*["numpy"] * kernel):
            (y, *statistics), backward = batch_norm(laid_out, *parameters, needs=[True] * 3 + [False] * 2,
                                                    training=training, momentum=0.1, eps=1e-5)
            results.append([y, *[s for s in statistics if s is not None], *backward(dy)[:3]])
        if kernel and layout != (2, 1, 0, 3):
            assert y.strides == results[-1][-3].strides == laid_out.strides
    for other in results[1:]:
        for a, b in zip(results[0], other):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_a_mean_far_from_zero_does_not_spoil_the_variance(place, rng):
    x = rng.normal(size=(64, 2, 4, 4)) + 1e8
    (y, *_), _ = run(place, batch_norm, [x, None, None, None, None], TRAIN)
    np.testing.assert_allclose(y.std((0, 2, 3)), 1, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e38])
def test_a_first_number_that_is_too_large_for_a_center_is_none(backend, rng, value):
    x = rng.normal(size=(3, 4, 5, 5)).astype(np.float32)
    x[0, 1, 0, 0] = value
    statistics = [backend.asarray(a) for a in (np.zeros(4, np.float32), np.ones(4, np.float32))]
    with np.errstate(over="ignore"):
        (y, mean, _), _ = batch_norm(backend.asarray(x), None, None, *statistics, **TRAIN)
        exact = x[:, 1].mean(dtype=float) * TRAIN["momentum"]
    y, mean = backend.to_numpy(y), backend.to_numpy(mean)
    assert mean[1] == pytest.approx(exact, rel=1e-6)
    assert np.isnan(y[:, 1]).all() if np.isinf(value) else (y[:, 1] == 0).all()
    assert np.isfinite(y[:, [0, 2, 3]]).all()


def test_the_variance_of_a_constant_channel_is_exactly_0(backend):
    constants = np.array([0.1, 100.1, 10000.1], np.float32)[:, None, None]
    x = backend.asarray(np.broadcast_to(constants, (7, 3, 11, 13)))
    statistics = [backend.asarray(a) for a in (np.zeros(3, np.float32), np.ones(3, np.float32))]
    (y, _, var), _ = batch_norm(x, None, None, *statistics, **{**TRAIN, "momentum": 1.0})
    assert backend.to_numpy(var).tolist() == [0, 0, 0]
    assert not backend.to_numpy(y).any()


def test_an_empty_batch_leaves_the_running_statistics_as_they_are(place):
    arrays = [np.zeros((0, 3, 2, 2)), np.ones(3), np.ones(3), np.arange(3.0), np.arange(3.0)]
    (y, mean, var), (dx, dweight, dbias, *_) = run(place, batch_norm, arrays, TRAIN,
                                                   needs=[True, True, True, False, False])
    assert y.shape == dx.shape == (0, 3, 2, 2)
    assert mean.tolist() == var.tolist() == [0, 1, 2]
    assert not dweight.any()
    assert not dbias.any()


def test_float16_is_accumulated_in_float32_and_keeps_float32_statistics(rng):
    x = (rng.normal(size=(8, 2, 64, 64)) + 5).astype(np.float16)
    parts = [np.ones(2, np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32), np.ones(2, np.float32)]
    for tables in ("numpy",), ():
        with backends.tables(*tables):
            (y, mean, var), backward = batch_norm(x, *parts, needs=[True] * 3 + [False] * 2,
                                                  **{**TRAIN, "momentum": 1.0})
            dx, dweight, _, _, _ = backward(np.ones_like(x))
        assert (y.dtype, mean.dtype, dx.dtype, dweight.dtype) == (np.float16,
                                                                  np.float32, np.float16, np.float32)
        np.testing.assert_allclose(mean, x.astype(float).mean((0, 2, 3)), rtol=1e-5)
        np.testing.assert_allclose(var, x.astype(float).var((0, 2, 3), ddof=1), rtol=1e-4)


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True),
                                   (False, False, False)])
@pytest.mark.parametrize("training", [True, False])
def test_only_the_gradients_that_are_needed_are_made(place, rng, needs, training):
    arrays = [place.array(a) for a in arguments(rng, (4, 3))]
    with place.tables():
        _, backward = batch_norm(*arrays, needs=[*needs, False, False], **{**TRAIN, "training": training})
        gradients = backward(place.array(np.ones((4, 3)))) if backward else (None,) * 5
    assert tuple(g is not None for g in gradients) == (*needs, False, False)
    assert (backward is None) == (not any(needs))


@pytest.mark.parametrize(("shapes", "training", "message"), [
    (((4,), None, None, None, None), True, r"it needs \(N, C\) or \(N, C, H, W\)"),
    (((4, 3), (4,), None, None, None), True,
     r"that is 3 channels, and weight of shape \(4,\); it needs \(3,\)"),
    (((1, 3), None, None, None, None), True,
     "Expected more than 1 value per channel when training, got input size"),
    (((4, 3), None, None, (3,), None), True, "running_mean and running_var, or neither"),
    (((4, 3), None, None, None, None), False, "running_mean and running_var"),
])
def test_what_does_not_fit_raises(shapes, training, message):
    with pytest.raises(ValueError, match=message):
        batch_norm(*[None if s is None else np.ones(s) for s in shapes], training=training,
                   momentum=0.1, eps=1e-5)
