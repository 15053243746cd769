"""Blur: the Gaussian's formula, with a width of its own for each image."""

import math

import numpy as np
import pytest

from cnnkit import random
from cnnkit.data.transforms import GaussianBlur

X = np.random.default_rng(0).random((3, 2, 9, 10))


def test_a_blur_is_the_formula_over_the_mirrored_image():
    result = GaussianBlur((5, 3), (0.5, 2))(X, key=random.key(1))
    sigmas = [0.5 + 1.5 * u for (u,) in GaussianBlur((5, 3), (0.5, 2)).draws(random.key(1), 3)]
    assert len(set(sigmas)) == 3
    padded = np.pad(X, ((0, 0), (0, 0), (1, 1), (2, 2)), "reflect")
    for n, sigma in enumerate(sigmas):
        across, down = (np.asarray([math.exp(-i * i / (2 * sigma * sigma)) for i in range(-r, r + 1)])
                        for r in (2, 1))
        weights = np.outer(down / down.sum(), across / across.sum())
        np.testing.assert_allclose(result[n, 1, 4, 6], (padded[n, 1, 4:7, 6:11] * weights).sum())
        np.testing.assert_allclose(result[n, 0, 0, 0], (padded[n, 0, :3, :5] * weights).sum())


def test_a_picture_stays_a_picture():
    picture = (X[0, 0] * 255).astype(np.uint8)
    expected = GaussianBlur(3, 1.0)(picture[None].astype("float64"))[0]
    assert np.abs(GaussianBlur(3, 1.0)(picture) - expected).max() <= 0.51


@pytest.mark.parametrize("settings", [(2,), ((3, 4),), (3, 0), (3, (2, 1))])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match="GaussianBlur"):
        GaussianBlur(*settings)


def test_a_filter_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="pixels to mirror"):
        GaussianBlur(31)(X)
