"""Rotations and affine maps read where torch's `grid_sample` reads; right angles move pixels exactly."""

import math

import numpy as np
import pytest

from cnnkit import random
from cnnkit.data.transforms import RandomAffine, RandomRotation
from cnnkit.data.transforms.affine import inverse

KEY = random.key(4)
X = np.random.default_rng(0).random((5, 2, 7, 10))


def naive(x, matrix, center, interpolation, fill):
    """One image through the inverse of a 3 x 3 map of positions about `center`, pixel by pixel."""
    C, H, W = x.shape
    back = np.linalg.inv(matrix)
    cx, cy = (W / 2, H / 2) if center is None else center
    result = np.empty_like(x)

    def pixel(i, j):
        return x[:, int(i), int(j)] if 0 <= i < H and 0 <= j < W else np.full(C, fill)

    for i in range(H):
        for j in range(W):
            u, v, _ = back @ (j + 0.5 - cx, i + 0.5 - cy, 1)
            u, v = u + cx - 0.5, v + cy - 0.5
            if interpolation == "nearest":
                result[:, i, j] = pixel(round(v), round(u))
                continue
            i0, j0 = math.floor(v), math.floor(u)
            around = [(i1, j1) for i1 in (i0, i0 + 1) for j1 in (j0, j0 + 1)]
            result[:, i, j] = sum((1 - abs(v - i1)) * (1 - abs(u - j1)) * pixel(i1, j1) for i1, j1 in around)
    return result


def forward(degrees, shift=(0, 0), scale=1.0, shear=(0, 0)):
    """Shear, rotate clockwise (y points down), scale, shift, as torchvision: a product of matrices."""
    r, sx, sy = map(math.radians, (degrees, *shear))
    rotate = np.asarray([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    across = np.asarray([[1, -math.tan(sx), 0], [0, 1, 0], [0, 0, 1]])
    down = np.asarray([[1, 0, 0], [-math.tan(sy), 1, 0], [0, 0, 1]])
    move = np.asarray([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1]])
    return move @ (np.diag([scale, scale, 1]) @ rotate @ down @ across)


@pytest.mark.parametrize("settings", [(30,), (-75, (2, -1)), (10, (0, 0), 0.6), (200, (1, 2), 1.5, (10, 0)),
                                      (5, (0, 1), 0.9, (-12, 25))])
def test_the_inverse_map_is_the_inverse_of_the_product(settings):
    a, b, c, d, e, f = inverse(*settings)
    np.testing.assert_allclose([[a, b, c], [d, e, f], [0, 0, 1]],
                               np.linalg.inv(forward(*settings)), atol=1e-12)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("center", [None, (3, 1.5)])
@pytest.mark.parametrize("fill", [0, 0.7])
def test_an_affine_map_is_the_naive_one(interpolation, center, fill):
    t = RandomAffine((-50, 80), (0.3, 0.2), (0.6, 1.5), (-10, 15, -20, 5), interpolation, fill, center)
    result = t(X, key=KEY)
    for image, changed, (angle, across, down, scale, x_shear, y_shear) in zip(X, result, t.draws(KEY, 5)):
        shift = round(-3 + 6 * across), round(-1.4 + 2.8 * down)
        matrix = forward(-50 + 130 * angle, shift, 0.6 + 0.9 * scale,
                         (-10 + 25 * x_shear, -20 + 25 * y_shear))
        np.testing.assert_allclose(changed, naive(image, matrix, center, interpolation, fill), atol=1e-9)


def test_between_two_equally_near_pixels_the_even_one_is_read():
    result = RandomAffine(0, scale=(2, 2))(X)
    for image, changed in zip(X, result):
        np.testing.assert_array_equal(changed, naive(image, forward(0, scale=2), None, "nearest", 0))
    np.testing.assert_array_equal(result[:, :, 0, 1], X[:, :, 2, 3])  # row 1.5, column 2.75


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_rotation_goes_counter_clockwise(interpolation):
    t = RandomRotation((20, 70), interpolation, fill=0.25)
    for image, changed, (angle,) in zip(X, t(X, key=KEY), t.draws(KEY, 5)):
        np.testing.assert_allclose(changed, naive(image, forward(-20 - 50 * angle), None,
                                                  interpolation, 0.25), atol=1e-9)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_an_affine_map_reads_where_torch_does(interpolation):
    torch = pytest.importorskip("torch")
    t = RandomAffine(60, (0.2, 0.2), (0.7, 1.3), 10, interpolation)
    N, _, H, W = X.shape
    maps = np.asarray([t._map(H, W, row) for row in t.draws(KEY, N)]).reshape(N, 2, 3)
    maps[:, :, 2] *= 2 / np.asarray([W, H])  # torch's positions go from -1 to 1
    maps[:, 0, 1] *= H / W
    maps[:, 1, 0] *= W / H
    grid = torch.nn.functional.affine_grid(torch.as_tensor(maps), X.shape, align_corners=False)
    expected = torch.nn.functional.grid_sample(torch.as_tensor(X), grid, interpolation,
                                               "zeros", align_corners=False)
    np.testing.assert_allclose(t(X, key=KEY), expected, atol=1e-9)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("shape", [(7, 7), (8, 8), (1, 1)])
def test_right_angles_move_pixels(interpolation, shape):
    x = np.random.default_rng(1).random((2, 3, *shape)).astype("float32")
    for turns in range(5):
        result = RandomRotation((90 * turns, 90 * turns), interpolation)(x)
        np.testing.assert_allclose(result, np.rot90(x, turns, axes=(2, 3)), atol=1e-5)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_rotation_by_nothing_changes_no_bit(interpolation):
    for dtype in ("float32", "float64"):
        x = X.astype(dtype)
        np.testing.assert_array_equal(RandomRotation(0, interpolation)(x), x)
        np.testing.assert_array_equal(RandomAffine(0, interpolation=interpolation)(x), x)


def test_fill_may_be_one_number_a_channel():
    t, key = RandomAffine(0, translate=(1, 1), fill=(0.25, 0.75)), random.key(3)
    moved_right = [image for image, row in zip(t(X, key=key), t.draws(key, 5)) if row[1] > 0.6]
    assert moved_right
    assert all((image[0, :, 0] == 0.25).all() and (image[1, :, 0] == 0.75).all() for image in moved_right)


@pytest.mark.parametrize(("make", "match"), [
    (lambda: RandomRotation(-1), r"RandomRotation\(degrees=-1\): give a number that is not negative"),
    (lambda: RandomRotation((5, 1)), "the smaller one first"),
    (lambda: RandomRotation(5, expand=True), "images of different sizes"),
    (lambda: RandomRotation(5, "bicubic"), "interpolation must be 'nearest' or 'bilinear', got 'bicubic'"),
    (lambda: RandomRotation(5, center=(1, 2, 3)), "two numbers, x and y"),
    (lambda: RandomAffine(5, translate=(2, 0)), "two shares, of width and height"),
    (lambda: RandomAffine(5, scale=(0, 1)), "two factors above 0"),
    (lambda: RandomAffine(5, shear=-3), r"RandomAffine\(shear=-3\)"),
    (lambda: RandomAffine(5, fill=(1, 2, 3))(X),
     r"is for 3 channels, but an image of shape \(2, 7, 10\) has 2"),
])
def test_settings_that_make_no_sense_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
