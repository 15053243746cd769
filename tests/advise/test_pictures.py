"""Statistics of images say what was put into them."""

import numpy as np
import pytest

from cnnkit.advise.pictures import neighbours, objects, permuted, shifted

RNG = np.random.default_rng(0)


def test_neighbours_that_are_equal_correlate_fully_and_noise_does_not():
    noise = RNG.standard_normal((400, 2, 8, 9))
    assert abs(neighbours(noise, 2)) < 0.05
    rows = np.repeat(noise[:, :, :, :1], 9, axis=3)
    assert neighbours(rows, 3) == pytest.approx(1)
    assert abs(neighbours(rows, 2)) < 0.1
    assert neighbours(noise[:, :, :1], 2) is None
    assert neighbours(np.ones((5, 1, 3, 3)), 2) is None


def test_what_all_images_share_is_not_correlation():
    assert abs(neighbours(RNG.standard_normal((400, 1, 8, 8)) + 100 * np.linspace(0, 1, 8)[:, None], 2)) < 0.1


@pytest.mark.parametrize("flip", [1, -1])
def test_objects_are_found_on_light_and_dark_ground(flip):
    images = np.zeros((3, 3, 20, 10))
    images[0, 1, 4:8, 2:8] = flip
    images[1, :, 9:10, 4:5] = flip
    sizes, centres = objects(images)
    np.testing.assert_allclose(sizes, [np.sqrt(24 / 200), np.sqrt(1 / 200)])
    np.testing.assert_allclose(centres, [[0.3, 0.5], [0.475, 0.45]])


def test_permuting_moves_all_images_and_channels_alike_and_loses_nothing():
    images, order = RNG.random((4, 3, 2, 5)), RNG.permutation(10)
    moved = permuted(images, order)
    np.testing.assert_array_equal(moved.reshape(4, 3, 10)[2, 1], images.reshape(4, 3, 10)[2, 1][order])
    assert moved.shape == images.shape


def test_shifting_moves_by_whole_pixels_either_way():
    image = np.arange(12.0).reshape(1, 1, 3, 4)
    np.testing.assert_array_equal(shifted(image, 1, 0)[0, 0], image[0, 0][[0, 0, 1]])
    np.testing.assert_array_equal(shifted(image, 0, -2)[0, 0], image[0, 0][:, [2, 3, 3, 3]])
