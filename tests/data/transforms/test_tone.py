"""Changes of tone: Pillow's values for pictures, torchvision's formulas for floats."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from cnnkit import random
from cnnkit.data import transforms as T

RNG = np.random.default_rng(0)
RGB = (RNG.integers(0, 256, (20, 30, 3)) * 0.7 + 20).astype(np.uint8)
X = RNG.random((3, 3, 9, 10)).astype("float32")
EXACT = {
    "invert": (T.RandomInvert(p=1), ImageOps.invert),
    "posterize": (T.RandomPosterize(3, p=1), lambda image: ImageOps.posterize(image, 3)),
    "solarize": (T.RandomSolarize(100, p=1), lambda image: ImageOps.solarize(image, 100)),
    "equalize": (T.RandomEqualize(p=1), ImageOps.equalize),
    "gray": (T.Grayscale(), lambda image: image.convert("L")),
    "gray, three channels": (T.Grayscale(3), lambda image: image.convert("L").convert("RGB")),
    "sometimes gray": (T.RandomGrayscale(p=1), lambda image: image.convert("L").convert("RGB"))}
CLOSE = {
    "autocontrast": (T.RandomAutocontrast(p=1), ImageOps.autocontrast),
    "sharpen": (T.RandomAdjustSharpness(1.7, p=1), lambda image: ImageEnhance.Sharpness(image).enhance(1.7)),
    "smooth": (T.RandomAdjustSharpness(0, p=1), lambda image: image.filter(ImageFilter.SMOOTH))}


@pytest.mark.parametrize("name", EXACT)
def test_a_picture_gets_pillows_values_to_the_bit(name):
    transform, pillow = EXACT[name]
    expected = np.asarray(pillow(Image.fromarray(RGB)))
    result = transform(Image.fromarray(RGB))
    assert result.mode == ("L" if expected.ndim == 2 else "RGB")
    np.testing.assert_array_equal(np.asarray(result), expected)
    np.testing.assert_array_equal(transform(RGB).reshape(expected.shape), expected)


@pytest.mark.parametrize("name", CLOSE)
def test_or_within_one_of_them(name):
    transform, pillow = CLOSE[name]
    expected = np.asarray(pillow(Image.fromarray(RGB))).astype(int)
    difference = np.abs(transform(RGB) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize("values", [np.full((6, 6), 7), np.arange(36).reshape(6, 6),
                                    np.r_[np.arange(1276) % 251, np.full(20, 255)].reshape(36, 36)])
def test_few_values_are_left_alone_or_equalized_as_pillow_does(values):
    image = Image.fromarray(values.astype(np.uint8))
    np.testing.assert_array_equal(np.asarray(T.RandomEqualize(p=1)(image)),
                                  np.asarray(ImageOps.equalize(image)))
    np.testing.assert_array_equal(np.asarray(T.RandomAutocontrast(p=1)(image))[:2, 0],
                                  np.asarray(ImageOps.autocontrast(image))[:2, 0])


def test_floats_follow_the_formulas(backend):
    def of(transform):
        return backend.to_numpy(transform(backend.asarray(X)))

    np.testing.assert_array_equal(of(T.RandomInvert(1)), 1 - X)
    np.testing.assert_array_equal(of(T.RandomSolarize(0.6, 1)), np.where(np.less(X, 0.6), X, 1 - X))
    np.testing.assert_allclose(of(T.RandomPosterize(2, 1)), np.floor(X * 4) / 4)
    low, high = X.min((2, 3), keepdims=True), X.max((2, 3), keepdims=True)
    np.testing.assert_allclose(of(T.RandomAutocontrast(1)), (X - low) / (high - low), atol=1e-6)
    gray = X[:, :1] * 0.2989 + X[:, 1:2] * 0.587 + X[:, 2:] * 0.114
    np.testing.assert_allclose(of(T.Grayscale()), gray, rtol=1e-6)
    np.testing.assert_allclose(of(T.RandomGrayscale(1)), gray.repeat(3, 1), rtol=1e-6)
    equal = T.RandomEqualize(1)((X * 255.999).astype(np.uint8)[0].transpose(1, 2, 0)).transpose(2, 0, 1)
    np.testing.assert_allclose(of(T.RandomEqualize(1))[0], equal / 255, atol=1e-6)
    smooth = of(T.RandomAdjustSharpness(0, 1))
    np.testing.assert_array_equal(smooth[:, :, 0], X[:, :, 0])
    around = X[1, 2, 3:6, 4:7]
    np.testing.assert_allclose(smooth[1, 2, 4, 5], (around.sum() + 4 * around[1, 1]) / 13, rtol=1e-5)


def test_each_image_is_changed_or_left_alone():
    x = RNG.random((40, 1, 4, 4)).astype("float32")
    result = T.RandomInvert(0.3)(x, key=random.key(0))
    changed = (result != x).all((1, 2, 3))
    assert 4 < changed.sum() < 22
    np.testing.assert_array_equal(result[~changed], x[~changed])


@pytest.mark.parametrize("make", [lambda: T.Grayscale(2), lambda: T.RandomPosterize(9),
                                  lambda: T.RandomInvert(2), lambda: T.RandomAdjustSharpness(-1)])
def test_bad_settings_are_refused(make):
    with pytest.raises(ValueError, match=r"^(Grayscale|Random\w+)\("):
        make()


def test_two_channels_have_no_gray():
    with pytest.raises(ValueError, match="1 or 3 channels"):
        T.Grayscale()(X[:, :2])
