"""Grids of images: every image in its place, and files that hold what was given."""

import numpy as np
import pytest

import cnnkit
from cnnkit.data import make_grid, save_image
from cnnkit.data.datasets import read_image

X = np.random.default_rng(0).random((5, 3, 4, 6)).astype("float32")


def test_every_image_is_in_its_place():
    grid = make_grid(X, nrow=3, padding=1, pad_value=0.5).numpy()
    assert grid.shape == (3, 1 + 2 * 5, 1 + 3 * 7)
    covered = np.zeros(grid.shape[1:], bool)
    for n, (row, column) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        place = slice(1 + 5 * row, 5 + 5 * row), slice(1 + 7 * column, 7 + 7 * column)
        np.testing.assert_array_equal(grid[:, *place], X[n])
        covered[place] = True
    assert (grid[:, ~covered] == 0.5).all()


@pytest.mark.parametrize("images", [X[:, :1], list(X[:, 0]), cnnkit.tensor(X[:, :1])])
def test_gray_images_become_rgb(images):
    if isinstance(images, list):
        images = [image[None] for image in images]
    np.testing.assert_array_equal(make_grid(images).numpy(), make_grid(X[:, :1].repeat(3, 1)).numpy())


def test_one_image_has_no_border():
    np.testing.assert_array_equal(make_grid(X[0]).numpy(), X[0])
    np.testing.assert_array_equal(make_grid(X[0, 0]).numpy(), X[0, :1].repeat(3, 0))


def test_values_are_brought_to_the_range():
    wide = X * np.arange(1, 6).reshape(5, 1, 1, 1) - 2
    whole, each = (make_grid(wide, 5, 0, normalize=True, scale_each=value).numpy() for value in (False, True))
    expected = (make_grid(wide, 5, 0).numpy() - wide.min()) / np.ptp(wide)
    np.testing.assert_allclose(whole, expected, atol=1e-6)
    for n, part in enumerate(np.split(each, 5, axis=2)):
        np.testing.assert_allclose(part, (wide[n] - wide[n].min()) / np.ptp(wide[n]), atol=1e-6)
    cut = make_grid(wide, 5, 0, normalize=True, value_range=(-1, 1)).numpy()
    np.testing.assert_allclose(cut, (make_grid(wide, 5, 0).numpy().clip(-1, 1) + 1) / 2, atol=1e-6)


def test_a_file_holds_the_grid(tmp_path):
    save_image(X, tmp_path / "images.png", nrow=2)
    pixels = read_image(tmp_path / "images.png", "RGB")
    expected = make_grid(X, nrow=2).numpy().transpose(1, 2, 0) * 255
    assert np.abs(pixels - expected).max() <= 0.501


@pytest.mark.parametrize(("images", "settings", "match"), [
    (X, {"nrow": 0}, "nrow=0"), (X[:0], {}, "got shape"), (X[None], {}, "got shape"),
    (np.ones((2, 1, 2, 2), np.uint8), {"normalize": True}, "takes floats")])
def test_what_is_no_grid_is_refused(images, settings, match):
    with pytest.raises((ValueError, TypeError), match=match):
        make_grid(images, **settings)


def test_two_channels_are_no_picture(tmp_path):
    with pytest.raises(ValueError, match="1 or 3 channels"):
        save_image(X[:, :2], tmp_path / "a.png")
