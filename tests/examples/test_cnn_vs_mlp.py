"""The script runs, on a few images; what it computes by itself is right."""

import cnn_vs_mlp as script
import numpy as np

from cnnkit.models import summary


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
    assert ["features.conv1", "(1, 28, 28) to (8, 28, 28)", "(3 x 3 x 1) x 8 + 8 = 80", "4,923,520", "61,544"] in rows


def test_mlp_and_cnn_have_as_many_parameters_as_the_tables_say():
    assert [summary(make(), (1, 28, 28)).parameters for make in script.NETS.values()] == [103360, 103018, 6218]


def test_a_shift_moves_pixels_and_brings_in_black():
    picture = np.arange(1, 10).reshape(1, 3, 3)
    assert script.shifted(picture, 1, 0)[0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert script.shifted(picture, 0, -2)[0].tolist() == [[3, 0, 0], [6, 0, 0], [9, 0, 0]]
    assert (script.shifted(picture, 0, 0) == picture).all()


def test_a_net_that_looks_at_one_pixel_loses_it_by_a_shift(monkeypatch):
    from cnnkit import nn
    from cnnkit.data import ArrayDataset

    class Centre(nn.Module):
        """Scores 1 for class 1 where the middle pixel is white."""

        def forward(self, x):
            from cnnkit import functional as F
            return F.cat([x[:, :, 2, 2] * 0 + 0.5, x[:, :, 2, 2]], dim=1)

    white = np.zeros((4, 5, 5), "uint8")
    white[:, 2, 2] = 255
    assert list(script.accuracies_by_shift(Centre(), ArrayDataset(white, [1, 1, 1, 1])))[:2] == [1.0, 0.0]
