"""Dropout: the same places on every backend, scaled so that the expectation stays."""

import numpy as np
import pytest
from against_torch import PLACES, Place, run

from cnnkit import random
from cnnkit.ops.dropout import dropout


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


def test_keeps_the_places_that_bernoulli_draws_and_scales_them(anywhere):
    key, x = random.key(3), np.random.default_rng(0).normal(size=(4, 5, 6))
    kept = random.bernoulli(key, 0.7, x.shape, like=x)
    (y,), (dx,) = run(anywhere, dropout, [x], {"p": 0.3, "key": key})
    np.testing.assert_allclose(y, np.where(kept, x / 0.7, 0), **anywhere.close)
    np.testing.assert_allclose(dx, np.where(kept, 1 / 0.7, 0), **anywhere.close)


def test_is_bit_equal_on_every_backend():
    x = np.random.default_rng(0).normal(size=(7, 9)).astype(np.float32)
    results = []
    for name in [*PLACES, "jax"]:
        place = Place(name)
        (y,), _ = dropout(place.backend.asarray(x), p=0.4, key=random.key(1))
        results.append(place.numpy(y).tobytes())
    assert len(set(results)) == 1


def test_probability_one_drops_everything_and_its_gradient(place):
    (y,), (dx,) = run(place, dropout, [np.ones((3, 4))], {"p": 1.0, "key": random.key(0)})
    assert not y.any()
    assert not dx.any()


def test_the_mean_stays(place):
    (y,), _ = run(place, dropout, [np.ones(40000)], {"p": 0.25, "key": random.key(5)})
    assert abs(y.mean() - 1) < 0.012  # four standard deviations
    assert abs((y == 0).mean() - 0.25) < 0.009


def test_another_key_drops_other_places():
    x = np.ones(64)
    assert (dropout(x, p=0.5, key=random.key(0))[0][0] != dropout(x, p=0.5, key=random.key(1))[0][0]).any()


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_no_probability_raises(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        dropout(np.ones(3), p=p, key=random.key(0))


def test_integers_raise():
    with pytest.raises(TypeError, match="dropout needs floating-point"):
        dropout(np.arange(3), p=0.5, key=random.key(0))
