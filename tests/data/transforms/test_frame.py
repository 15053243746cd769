"""Crops of the middle and the corners, and borders: slices of `numpy.pad`."""

import numpy as np
import pytest

from cnnkit.data.transforms import CenterCrop, FiveCrop, Pad, TenCrop

X = np.random.default_rng(0).random((2, 3, 7, 8)).astype("float32")


@pytest.mark.parametrize(("size", "rows", "columns"), [
    ((7, 8), slice(0, 7), slice(0, 8)), (3, slice(2, 5), slice(2, 5)), ((4, 3), slice(2, 6), slice(2, 5)),
    ((6, 5), slice(0, 6), slice(2, 7))])  # half a pixel is rounded to even, as torchvision's round() does
def test_the_middle_is_a_slice(size, rows, columns):
    np.testing.assert_array_equal(CenterCrop(size)(X), X[..., rows, columns])


def test_a_small_image_gets_a_border_first():
    expected = np.pad(X, ((0, 0), (0, 0), (1, 2), (0, 0)))[..., 2:6]
    np.testing.assert_array_equal(CenterCrop((10, 4))(X), expected)
    images, masks = CenterCrop((10, 4))(X, np.ones((2, 7, 8), int))
    assert sorted(np.unique(masks[:, [0, -1]])) == [-100]
    assert (masks[:, 1:-2] == 1).all()
    assert not images[:, :, 0].any()


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize(("padding", "sides"), [(2, (2, 2, 2, 2)), ((3, 1), (3, 1, 3, 1)),
                                                ((0, 1, 2, 3), (0, 1, 2, 3))])
def test_a_border_is_numpys(mode, padding, sides):
    left, top, right, bottom = sides
    settings = {"constant_values": 0.5} if mode == "constant" else {}
    expected = np.pad(X, ((0, 0), (0, 0), (top, bottom), (left, right)), mode, **settings)
    np.testing.assert_array_equal(Pad(padding, 0.5, mode)(X), expected)


def test_five_parts_are_the_corners_and_the_middle():
    parts = FiveCrop((3, 2))(X)
    expected = [X[..., :3, :2], X[..., :3, -2:], X[..., -3:, :2], X[..., -3:, -2:], X[..., 2:5, 3:5]]
    for part, slice_ in zip(parts, expected, strict=True):
        np.testing.assert_array_equal(part, slice_)


@pytest.mark.parametrize(("vertical", "axis"), [(False, 3), (True, 2)])
def test_ten_parts_are_those_of_the_mirrored_image_too(vertical, axis):
    parts = TenCrop(4, vertical)(X)
    expected = [*FiveCrop(4)(X), *FiveCrop(4)(np.flip(X, axis))]
    np.testing.assert_array_equal(np.stack(parts), np.stack(expected))


def test_parts_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match=r"FiveCrop\(size=\(9, 9\)\) got images of 7 x 8"):
        FiveCrop(9)(X)


def test_bad_borders_are_refused():
    with pytest.raises(ValueError, match="1, 2 or 4 numbers"):
        Pad((1, 2, 3))
    with pytest.raises(ValueError, match="constant, edge"):
        Pad(1, padding_mode="wrap")
