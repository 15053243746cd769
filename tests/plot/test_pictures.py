"""Arrays as pictures: normalisation is undone, 0 is where it is said to be, PNG files hold the pixels."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from cnnkit.plot.pictures import diverging, embedded, grey, heat, sheet, shown, thumbnail


def test_the_normalisation_and_the_order_of_the_channels_are_undone():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    mean, std = np.array([0.5, 0.4, 0.3]), np.array([0.2, 0.3, 1 / 255])
    given = ((pictures / 255.0)[..., ::-1] - mean) / std
    np.testing.assert_array_equal(shown(given.transpose(0, 3, 1, 2), mean, std, "BGR"), pictures)


def test_numbers_outside_of_0_to_1_are_scaled_to_it():
    assert shown(np.array([[[[-1.0, 0.0, 3.0]]]]))[0, 0, :, 0].tolist() == [0, 64, 255]
    assert shown(np.array([[[[np.nan, 0.5, 0.5]]]]))[0, 0, 0, 0] == 0


def test_0_is_white_between_red_and_blue():
    row, = diverging(np.array([[0.0, 2.0, -2.0]]), 2.0).tolist()
    assert row == [[255] * 3, [178, 24, 43], [33, 102, 172]]


def test_equal_values_do_not_divide_by_0():
    assert grey(np.ones((1, 2)), 1.0, 1.0).tolist() == [[[0] * 3] * 2]
    assert heat(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2))).shape == (2, 2, 3)


@pytest.mark.parametrize("colour", [False, True])
def test_a_png_holds_the_pixels(colour):
    picture = np.random.default_rng(0).integers(0, 256, (3, 4, 3 if colour else 1), dtype=np.uint8)
    picture = np.broadcast_to(picture, (3, 4, 3))
    file = io.BytesIO(base64.b64decode(embedded(picture).partition(",")[2]))
    np.testing.assert_array_equal(np.asarray(Image.open(file).convert("RGB")), picture)


def test_a_sheet_has_its_pictures_in_rows():
    pictures = [np.full((2, 3, 3), n, np.uint8) for n in range(5)]
    whole = sheet(pictures, 3)
    assert whole.shape == (5, 11, 3)
    assert whole[3, 4].tolist() == [4, 4, 4]


def test_only_large_pictures_become_thumbnails():
    assert thumbnail(np.zeros((128, 20, 3), np.uint8)).shape == (128, 20, 3)
    assert thumbnail(np.zeros((256, 128, 3), np.uint8)).shape == (128, 64, 3)
