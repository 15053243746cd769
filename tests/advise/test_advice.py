"""The advice follows what was put into the data, is the same each time, and has a verdict for each of the
guide's bullets.
"""

import json

import numpy as np
import pytest

from cnnkit.advise import advise
from cnnkit.advise.advice import _compare
from cnnkit.advise.trials import Trials
from cnnkit.data import ArrayDataset

BULLETS = ["Your data has spatial hierarchies", "You need translation invariance",
           "The task requires feature extraction from raw data", "Your data is not spatially structured",
           # the guide's chapter 2, all
           "You have limited training data", "The task is better suited for sequence models"]


def crosses(n=500, size=12, seed=0):
    """A cross or a ring somewhere in the image, on noise: only what lies beside what tells them apart."""
    rng = np.random.default_rng(seed)
    cross, ring = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]), np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    y = rng.integers(0, 2, n)
    x = rng.normal(0, 0.2, (n, 1, size, size)).astype(np.float32)
    for image, label in zip(x, y):
        for row, column in rng.integers(0, size - 3, (3, 2)):
            image[0, row:row + 3, column:column + 3] += (cross, ring)[label]
    return ArrayDataset(x, y, ["cross", "ring"])


def table(n=500, seed=0):
    """Features without a place: each class has its own mean of each."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 5, n)
    return ArrayDataset(
        (rng.normal(0, 0.4, (5, 1, 10, 10))[y] + rng.normal(size=(n, 1, 10, 10))).astype(np.float32), y, 5)


@pytest.fixture(scope="module")
def advice():
    return {"crosses": advise(crosses(), updates=150, seeds=(0,)),
            "table": advise(table(), updates=120, seeds=(0,))}


def verdicts(advice):
    return {finding.bullet: finding.verdict for finding in advice.findings}


def test_shapes_that_may_lie_anywhere_call_for_a_cnn(advice):
    found = verdicts(advice["crosses"])
    assert (advice["crosses"].use, advice["crosses"].summary.startswith("use a CNN")) == (True, True)
    assert [found[bullet] for bullet in BULLETS[:4]] == ["yes", "yes", "yes", "no"]


def test_features_without_a_place_do_not(advice):
    found = verdicts(advice["table"])
    assert (advice["table"].use, advice["table"].summary.startswith("avoid a CNN")) == (False, True)
    assert [found[bullet] for bullet in BULLETS[:4]] == ["no", "no", "no", "yes"]


def test_every_bullet_has_evidence_with_figures_and_a_verdict(advice):
    for each in advice.values():
        assert [finding.bullet for finding in each.findings][:6] == BULLETS
        for finding in each.findings:
            assert finding.verdict in ("yes", "no", "unclear")
            assert any(character.isdigit() for character in finding.evidence)
            assert finding.advice


def test_it_is_the_same_each_time():
    first, second = (advise(table(200), updates=20, seeds=(0, 1)) for _ in range(2))
    assert first.trials.accuracy == second.trials.accuracy
    assert verdicts(first) == verdicts(second) | {"Computational cost": verdicts(first)["Computational cost"]}
    assert json.loads(json.dumps(first.as_dict()))["findings"][0]["bullet"] == BULLETS[0]


def test_a_series_is_handed_to_a_sequence_model():
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.standard_normal((120, 1, 1, 40)), axis=3).astype(np.float32)
    found = advise(ArrayDataset(x, np.arange(120) % 2), updates=5, seeds=(0,))
    assert verdicts(found)["The task is better suited for sequence models"] == "yes"
    assert "sequence model" in found.summary or found.use


def test_few_uneven_images_of_several_scales_are_said_to_be_so():
    x = np.zeros((90, 1, 16, 16), np.float32)
    for i, image in enumerate(x):
        image[0, 1:2 + i % 13, 1:2 + i % 13] = 1
    found = verdicts(advise(ArrayDataset(x, [0] * 80 + [1] * 10), updates=5, seeds=(0,)))
    for bullet in ("You have limited training data", "Not recognizing objects at different scales",
                   "Classes of uneven size (beside the guide)"):
        assert found[bullet] == "yes"


@pytest.mark.parametrize("shape", [(40, 1, 1), (40, 3, 2), (40, 1, 30)])
def test_images_of_any_size_are_taken(shape):
    advise(ArrayDataset(np.random.default_rng(0).random(shape), np.arange(40) % 2), updates=2, seeds=(0,))


@pytest.mark.parametrize(("images", "labels", "match"),
                         [(10, [0] * 10, "one class only"), (6, [0, 1] * 3, "at least 8")])
def test_data_that_nothing_can_be_told_from_are_refused(images, labels, match):
    with pytest.raises(ValueError, match=match):
        advise(ArrayDataset(np.zeros((images, 4, 4)), labels))


def test_a_difference_counts_only_beyond_chance_image_by_image():
    always, never, half = np.ones(100), np.zeros(100), np.arange(100) % 2.0
    one_more = always.copy()
    one_more[:2] = 0
    trials = Trials(right={"always": always, "never": never, "half": half,
                           "other half": 1 - half, "one more": one_more})
    assert _compare(trials, "always", "half") == "yes"
    assert _compare(trials, "half", "other half") == "no"
    assert _compare(trials, "never", "always") == "no"
    assert _compare(trials, "always", "one more") == "unclear"
