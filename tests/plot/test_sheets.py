"""The pictures of `show` as a PNG file."""

import numpy as np
import pytest
from PIL import Image

from cnnkit import models
from cnnkit.inspection import show
from cnnkit.plot.sheets import save_sheet


def test_each_pixel_is_a_square_and_nothing_lies_over_another(tmp_path):
    sheet = show(models.CommonCNN((1, 8, 8)), np.eye(8))
    path = save_sheet(sheet, tmp_path / "new" / "maps.png")
    pixels = np.asarray(Image.open(path))
    first = pixels[12 + 16 + 4 + 16:, 12:][:72, :72]  # the image, 9 times as large, below title and caption
    np.testing.assert_array_equal(first, np.kron(np.eye(8), np.full((9, 9), 255)))
    assert pixels.shape[1] == 1000


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"maps\.gif: pictures are written as PNG"):
        save_sheet(show(models.CommonCNN((1, 8, 8)), np.eye(8)), tmp_path / "maps.gif")
