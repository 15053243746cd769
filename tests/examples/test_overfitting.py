"""The script runs, on a few images; what it learns from and what it measures on are what it says."""

import numpy as np
import overfitting as script

from cnnkit.data import ArrayDataset


def test_it_prints_its_table(capsys):
    script.main(["--tiny", "--seeds", "0", "1"])
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()
            if line.startswith("| ")]
    assert rows[0] == ["remedy", "seed 0", "seed 1", "mean", "learnt from", "gap"]
    assert [row[0] for row in rows[1:]] == ["baseline", "augmentation", "dropout", "L2", "all three"]
    for row in rows[1:]:
        first, second, mean, learnt, gap = map(float, row[1:])
        assert abs((first + second) / 2 - mean) < 1e-4
        assert abs(learnt - mean - gap) < 2e-4


def test_each_seed_learns_from_500_images_of_its_own():
    images = ArrayDataset(np.zeros((2000, 2, 2), np.uint8), np.zeros(2000, int))
    first, again, other = (script.training_subset(images, seed).indices for seed in (0, 0, 1))
    assert len(set(first)) == len(first) == 500
    assert (first == again).all()
    assert set(first) != set(other)


def test_all_three_are_the_three():
    single = [script.REMEDIES[name] for name in ("augmentation", "dropout", "L2")]
    assert script.REMEDIES["all three"] == single[0] | single[1] | single[2]


def test_choosing_looks_at_no_image_that_is_learnt_from_and_at_no_test_image(capsys, monkeypatch):
    calls = []

    def accuracies(training, test, epochs, seed, **settings):
        calls.append((training, test, settings))
        return 0.5, 0.25

    monkeypatch.setattr(script, "accuracies", accuracies)
    script.main(["--tiny", "--choose"])
    assert len(capsys.readouterr().out.splitlines()) == len(calls) == sum(map(len, script.CHOICES.values()))
    for training, test, _ in calls:
        assert training.dataset is test.dataset
        assert not set(training.indices) & set(test.indices)
