"""The script runs, on a few images; what it computes by itself is right."""

import cnn_vs_mlp as script
import numpy as np
import pytest

import cnnkit.functional as F
from cnnkit import nn
from cnnkit.data import ArrayDataset
from cnnkit.inspection import summary


@pytest.mark.heavy
def test_it_prints_its_tables(capsys):
    script.main(["--tiny", "--seeds", "0", "1"])
    printed = capsys.readouterr().out
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    scores = [row for row in rows if row[0] in script.NETS]
    assert len(scores) == 2 * len(script.NETS)
    for row in scores:
        first, second, mean = map(float, row[-3:])
        assert abs((first + second) / 2 - mean) < 1e-4
    unmoved = {row[0]: row[1] for row in rows if len(row) == 8 and row[0] != "net"}
    assert [unmoved[f"{row[0]}, seed 1"] for row in scores[-3:]] == [row[-2] for row in scores[-3:]]
    assert ["features.conv1", "(1, 28, 28) to (8, 28, 28)", "(3 x 3 x 1) x 8 + 8 = 80",
            "4,923,520", "61,544"] in rows


def test_mlp_and_cnn_have_as_many_parameters_as_the_tables_say():
    assert ([summary(make(), (1, 28, 28)).parameters for make in script.NETS.values()]
            == [103360, 103018, 6218])


def test_a_shift_moves_pixels_and_brings_in_black():
    picture = np.arange(1, 10).reshape(1, 3, 3)
    assert script.shifted(picture, 1, 0)[0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert script.shifted(picture, 0, -2)[0].tolist() == [[3, 0, 0], [6, 0, 0], [9, 0, 0]]
    assert (script.shifted(picture, 0, 0) == picture).all()


class OnePixel(nn.Module):
    """Says class 1 where the pixel in row 2 is white in this column."""

    def __init__(self, column):
        super().__init__()
        self.column = column

    def forward(self, x):
        pixel = x[:, :, 2, self.column]
        return F.cat([pixel * 0 + 0.5, pixel], dim=1)


def test_a_shifts_accuracy_is_the_mean_of_four_directions():
    white = np.zeros((4, 5, 5), "uint8")
    white[:, 2, 2] = 255
    test = ArrayDataset(white, [1, 1, 1, 1])
    assert list(script.accuracies_by_shift(OnePixel(2), test))[:2] == [1.0, 0.0]
    # of the four directions only a shift to the right moves the white pixel into column 3
    assert list(script.accuracies_by_shift(OnePixel(3), test))[:2] == [0.0, 0.25]
