"""Masks are read as class indices: palettes' indices stay, values are never mixed."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from cnnkit.data.mask_file import read_mask

VALUES = np.random.default_rng(0).integers(0, 256, (7, 11), np.uint8)


def save(file, image, **options):
    image.save(file, **options)
    return file


@pytest.mark.parametrize(("mode", "name"), [("L", "a.png"), ("P", "a.png"), ("L", "a.bmp"), ("L", "a.tif"),
                                            ("I;16", "a.png"), ("P", "a.bmp")])
def test_indices_stay_as_they_are(tmp_path, mode, name):
    image = Image.fromarray(VALUES.astype(np.uint16) if mode == "I;16" else VALUES)
    if mode == "P":
        image.putpalette(np.random.default_rng(1).permutation(768).astype(np.uint8).tolist())
    options = {"transparency": 3} if mode == "P" and name == "a.png" else {}
    mask = read_mask(save(tmp_path / name, image, **options))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, VALUES)


@pytest.mark.parametrize("size", [(3, 4), (7, 11), (20, 9), (1, 1), (14, 22)])
def test_resizing_takes_the_nearest_as_pillow_does(tmp_path, size):
    image = Image.fromarray(VALUES)
    expected = np.asarray(image.resize(size[::-1], Image.Resampling.NEAREST))
    np.testing.assert_array_equal(read_mask(save(tmp_path / "a.png", image), size), expected)


def test_one_bit_is_0_and_1(tmp_path):
    mask = read_mask(save(tmp_path / "a.png", Image.fromarray(VALUES > 99)))
    np.testing.assert_array_equal(mask, VALUES > 99)


def test_a_mask_is_turned_as_its_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = save(tmp_path / "a.png", Image.fromarray(VALUES), exif=exif)
    np.testing.assert_array_equal(read_mask(file), np.asarray(ImageOps.exif_transpose(Image.open(file))))


@pytest.mark.parametrize(("image", "name", "match"), [
    (Image.new("RGB", (6, 4)), "a.png", r"a.png has colours \(Pillow's mode RGB\), not one class index"),
    (Image.new("L", (6, 4)), "a.jpg", "a.jpg is a JPEG, whose compression changes values"),
    (Image.fromarray(np.full((2, 2), 256, np.uint16)), "a.png", "values from 256 to 256; class indices go"),
])
def test_what_holds_no_class_indices_is_refused(tmp_path, image, name, match):
    with pytest.raises(ValueError, match=match):
        read_mask(save(tmp_path / name, image))
