"""Colour jitter against the standard library's `colorsys` and formulas in float64, pixel by pixel."""

import colorsys

import numpy as np
import pytest

from cnnkit import random
from cnnkit.data.transforms import ColorJitter

KEY = random.key(2)
X = np.random.default_rng(0).random((6, 3, 4, 5))
X[0, :, 0] = 0.5  # grey, black and white among them
X[1, :, 1], X[1, :, 2] = 0.0, 1.0


def grey(image):
    return np.tensordot((0.2989, 0.587, 0.114), image, 1)[None]


def with_hue_turned(image, turn):
    hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(3, -1).T]
    rgb = [colorsys.hsv_to_rgb((h + turn) % 1, s, v) for h, s, v in hsv]
    return np.asarray(rgb).T.reshape(image.shape)


STEPS = {
    "brightness": lambda image, factor: image * factor,
    "contrast": lambda image, factor: image * factor + grey(image).mean() * (1 - factor),
    "saturation": lambda image, factor: image * factor + grey(image) * (1 - factor)}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(("value", "low", "high"), [(0.3, 0.7, 1.3), (2, 0, 3), ((1.2, 1.8), 1.2, 1.8)])
def test_a_factor_mixes_the_image_with_black_grey_or_itself_in_grey(name, value, low, high):
    t = ColorJitter(**{name: value})
    for image, changed, row in zip(X, t(X, key=KEY), t.draws(KEY, len(X))):
        factor = low + (high - low) * row[list(STEPS).index(name)]
        np.testing.assert_allclose(changed, np.clip(STEPS[name](image, factor), 0, 1), atol=1e-12)


def test_the_hue_turns_as_the_standard_library_turns_it():
    t = ColorJitter(hue=0.5)
    for image, changed, row in zip(X, t(X, key=KEY), t.draws(KEY, len(X))):
        np.testing.assert_allclose(changed, with_hue_turned(image, row[3] - 0.5), atol=1e-12)


def test_a_whole_turn_changes_nothing():
    half = ColorJitter(hue=(0.5, 0.5))
    np.testing.assert_allclose(half(half(X)), X, atol=1e-12)


def test_all_four_are_done_in_an_order_that_the_key_gives():
    t, orders = ColorJitter((0.5, 0.5), (0.5, 0.5), (0.5, 0.5), (0.2, 0.2)), set()
    steps = {**STEPS, "hue": with_hue_turned}
    for seed in range(12):
        key = random.key(seed)
        image, order = X[3], tuple(random.permutation(random.fold_in(key, 0), 4).tolist())
        for n in order:
            name = list(steps)[n]
            image = np.clip(steps[name](image, 0.2 if name == "hue" else 0.5), 0, 1)
        np.testing.assert_allclose(t(X[3], key=key), image, atol=1e-12)
        orders.add(order)
    assert len(orders) > 6


def test_grey_images_have_no_saturation_and_no_hue():
    x = X[:, :1]
    np.testing.assert_array_equal(ColorJitter(saturation=1, hue=0.5)(x), x)
    t = ColorJitter(contrast=(0.5, 0.5))
    np.testing.assert_allclose(t(x), x * 0.5 + x.mean(axis=(1, 2, 3), keepdims=True) * 0.5, atol=1e-12)


def test_the_default_settings_change_nothing():
    np.testing.assert_array_equal(ColorJitter()(X), X)


@pytest.mark.parametrize(("call", "match"), [
    (lambda: ColorJitter(brightness=-1), r"brightness=-1\): give a number that is not negative"),
    (lambda: ColorJitter(contrast=(2, 1)), "the smaller one first"),
    (lambda: ColorJitter(saturation=(1, 2, 3)), "saturation"),
    (lambda: ColorJitter(hue=0.6), "from 0 to 0.5"),
    (lambda: ColorJitter(0.5)(np.zeros((2, 4, 5, 5))), "1 or 3 channels.*got 4"),
])
def test_settings_that_make_no_sense_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
