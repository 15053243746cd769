"""Pictures in the terminal, with colours and without."""

import io

import numpy as np
import pytest
from rich.console import Console

from cnnkit.inspection.picture import Gallery, Picture, Sheet


def printed(thing, color="truecolor", width=80):
    console = Console(file=io.StringIO(), force_terminal=color is not None, color_system=color,
                      width=width, legacy_windows=False)
    console.print(thing)
    return console.file.getvalue()


def test_least_is_black_and_greatest_is_white():
    assert Picture(np.array([[-1.0, 0.0, 1.0]])).levels == [[0, 128, 255]]


def test_values_beyond_the_scale_are_black_and_white():
    assert Picture(np.array([[-9.0, 0.5, 9.0]]), low=0, high=1).levels == [[0, 128, 255]]


def test_nan_is_black_and_does_not_stretch_the_scale():
    assert Picture(np.array([[np.nan, 0.0, 1.0, np.inf]])).levels == [[0, 0, 255, 255]]


def test_an_even_picture_is_black():
    assert Picture(np.full((1, 2), 7.0)).levels == [[0, 0]]


def test_one_character_shows_two_pixels_in_their_greys():
    text = printed(Picture(np.array([[1.0], [0.0], [0.5]])))
    upper, lower = text.splitlines()[:2]
    assert "38;2;255;255;255" in upper
    assert "48;2;0;0;0" in upper
    assert "▀" in upper
    assert "38;2;128;128;128" in lower
    assert "48;2" not in lower  # the last row of an odd height stands alone


def test_without_colours_brighter_pixels_have_denser_characters():
    assert printed(Picture(np.array([[0.0, 1.0], [1.0, 0.0]]), "two"),
                   color=None).splitlines() == ["two", "  @@", "@@"]


def test_print_shows_the_same_plain_text_as_a_pipe():
    gallery = Gallery([Picture(np.eye(3), "eye"), Picture(1 - np.eye(3))], "title", "note")
    assert str(gallery) == printed(gallery, color=None).rstrip("\n")
    assert str(gallery).splitlines() == ["title", "", "eye       @@@@", "@@      @@  @@",
                                         "  @@    @@@@", "    @@", "", "note"]


@pytest.mark.parametrize("color", ["truecolor", None])
def test_pictures_go_on_below_where_the_line_is_full(color):
    text = printed(Gallery([Picture(np.eye(4), f"map {n}") for n in range(10)]), color, width=30)
    captions = [line.count("map") for line in text.splitlines() if "map" in line]
    assert captions == ([4, 4, 2] if color else [3, 3, 3, 1])


@pytest.mark.parametrize("color", ["truecolor", None])
def test_a_picture_wider_than_the_terminal_is_shrunk_to_fit(color):
    wide = np.kron(np.array([[0.0, 1.0]]), np.ones((60, 60)))  # 120 pixels wide, dark left and bright right
    lines = printed(Gallery([Picture(wide)]), color, width=50).splitlines()
    if color is None:
        assert lines[0] == " " * 24 + "@" * 24  # five pixels in one, two characters each
        assert len(lines) == 12
    else:
        assert lines[0].count("▀") == 40  # three pixels in one


def test_a_sheet_shows_all_its_galleries():
    sheet = Sheet([Gallery([Picture(np.eye(2))], "first"), Gallery([Picture(np.eye(2))], "second")])
    for text in (str(sheet), printed(sheet), printed(sheet, None)):
        assert text.index("first") < text.index("second")


def test_a_picture_has_two_axes():
    with pytest.raises(ValueError, match=r"a picture has two axes, \(H, W\); got shape \(1, 2, 3\)"):
        Picture(np.ones((1, 2, 3)))
