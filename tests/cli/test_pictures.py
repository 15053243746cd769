"""Image files given to `predict` are read as training reads them, and refused with the same words."""

import os

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit.cli import run


def deep(path):
    Image.fromarray(np.full((8, 8), 70000, np.int32)).save(path)


def floating(path):
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(path)


def cut_off(path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])


def huge(path):
    Image.new("1", (20000, 10000)).save(path)


@pytest.mark.parametrize(("name", "make", "words"), [
    ("deep.tif", deep, "values from 70000 to 70000"), ("float.tif", floating, "more than 8 bits"),
    ("cut.png", cut_off, "cut off or damaged"),
    ("huge.png", huge, "has too many pixels"), ("folder", os.mkdir, "folder holds no images"),
    ("gone.png", str, "no file gone.png"),
])
def test_predict_refuses_what_training_refuses_and_names_the_file(trained, capsys, elsewhere, name, make,
                                                                  words):
    make(elsewhere / name)
    assert run(["predict", str(trained[0]), name]) == 2
    error = capsys.readouterr().err
    assert name in error
    assert words in error
    assert len(error.splitlines()) == 1


def test_predict_sees_what_is_transparent_on_white(trained, capsys):
    digit = (cnnkit.data.datasets.digits(train=False).data[0, 0] * 255).astype(np.uint8)
    Image.fromarray(255 - digit).save("dark.png")
    Image.fromarray(np.dstack([np.zeros_like(digit), digit])).save("ink.png")
    assert run(["predict", str(trained[0]), "--invert", "dark.png", "ink.png"]) == 0
    dark, ink = (line.split()[1:] for line in capsys.readouterr().out.splitlines()[1:])
    assert dark == ink


def test_predict_says_which_images_it_did_not_take_as_they_are(trained, capsys):
    digit = (cnnkit.data.datasets.digits(train=False).data[0, 0] * 255).astype(np.uint8)
    Image.fromarray(digit).save("plain.png")
    Image.fromarray(digit.astype(np.uint16) * 257).save("deep.png")
    Image.fromarray(digit).save("pages.tif", save_all=True, append_images=[Image.new("L", (8, 8))])
    with (pytest.warns(UserWarning, match=r"1 of 3 images has 16 bits per pixel, .*: deep.png"),
          pytest.warns(UserWarning, match=r"1 of 3 images has several frames or pages, .*: pages.tif")):
        assert run(["predict", str(trained[0]), "plain.png", "deep.png", "pages.tif"]) == 0
    assert len({tuple(line.split()[1:]) for line in capsys.readouterr().out.splitlines()[1:]}) == 1


def test_predict_sees_a_turned_image_upright(trained, capsys):
    digit = (cnnkit.data.datasets.digits(train=False).data[0, 0] * 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(digit).save("plain.png")
    Image.fromarray(np.rot90(digit)).save("turned.png", exif=exif)
    assert run(["predict", str(trained[0]), "plain.png", "turned.png"]) == 0
    plain, turned = (line.split()[1:] for line in capsys.readouterr().out.splitlines()[1:])
    assert plain == turned
