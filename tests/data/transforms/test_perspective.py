"""Perspective: Pillow's map, and corners that move inwards."""

import numpy as np
import pytest
from PIL import Image

from cnnkit import random
from cnnkit.data.transforms import RandomPerspective
from cnnkit.data.transforms.perspective import perspective_coefficients

X = np.random.default_rng(0).random((30, 1, 12, 16)).astype("float32")
KEY = random.key(2)


def test_pixels_come_from_where_pillow_takes_them():
    transform = RandomPerspective(0.6, p=1, interpolation="bilinear", fill=0.5)
    result = transform(X, key=KEY)
    corners = [(0, 0), (15, 0), (15, 11), (0, 11)]
    for image, changed, draw in zip(X[:5, 0], result[:5, 0], transform.draws(KEY, 5)):
        a, b, c, d, e, f, g, h = perspective_coefficients(corners, transform.corners(12, 16, draw))
        # Pillow adds half a pixel to a place in the result and takes it off in the image
        data = (a + g / 2, b + h / 2, c + (1 - a - b - g / 2 - h / 2) / 2,
                d + g / 2, e + h / 2, f + (1 - d - e - g / 2 - h / 2) / 2, g, h)
        scale = 1 - (g + h) / 2
        expected = Image.fromarray(image).transform(
            (16, 12), Image.Transform.PERSPECTIVE, [value / scale for value in data],
            Image.Resampling.BILINEAR, fillcolor=0.5)
        inner = np.abs(changed - np.asarray(expected))[changed != 0.5]
        assert np.quantile(inner, 0.6) < 1e-3  # at the edges Pillow reads no border


def test_corners_move_inwards_and_the_rest_is_filled():
    transform = RandomPerspective(1, p=1, interpolation="nearest", fill=7)
    result = transform(X + 1, key=KEY)
    assert 0.1 < (result == 7).mean() < 0.8
    for draw in transform.draws(KEY, 30):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = transform.corners(12, 16, draw)
        assert 0 <= ax <= 8 <= 15 - 7 <= bx + 1
        assert max(ay, by) <= 6
        assert min(cy, dy) >= 5
        assert cx >= 7 >= dx - 1


def test_each_image_is_changed_or_left_alone():
    result = RandomPerspective(0.5, p=0.4)(X, key=KEY)
    same = (result == X).all((1, 2, 3))
    assert 8 < same.sum() < 26


def test_masks_follow():
    masks = (X[:, 0] * 5).astype(int)
    images, moved = RandomPerspective(0.5, p=1, interpolation="nearest", fill=-1)(
        masks[:, None].astype("float32"), masks, key=KEY)
    inside = moved != -100
    np.testing.assert_array_equal(images[:, 0][inside], moved[inside])


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="distortion_scale"):
        RandomPerspective(2)
