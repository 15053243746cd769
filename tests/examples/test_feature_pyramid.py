"""The script runs, on a few images; what it draws and how it scores is right."""

import canvases
import feature_pyramid as script
import numpy as np
import pytest

from cnnkit.data import datasets


@pytest.fixture(scope="module")
def drawn():
    digits = datasets.digits().data.reshape(-1, 8, 8)
    grey = (digits * (255 / digits.max())).astype("uint8").repeat(3, 1).repeat(3, 2)
    return canvases.drawn(grey[:50], datasets.digits().targets[:50], 8, seed=0)


@pytest.mark.heavy
def test_it_prints_its_table(capsys):
    script.main(["--tiny", "--seeds", "0"])
    printed = capsys.readouterr().out
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[1:]] == [[name, size] for name in script.DETECTORS
                                             for size in (*canvases.NAMES, "all")]


def test_digits_lie_apart_within_the_canvas_and_are_brighter_than_its_noise(drawn):
    assert drawn.images.shape == (8, 1, 96, 96)
    for image, boxes in zip(drawn.images, drawn.boxes):
        assert boxes.min() >= 0
        assert boxes.max() <= canvases.SIDE
        for n, (left, top, right, bottom) in enumerate(boxes.astype(int)):
            assert image[0, top:bottom, left:right].max() > 0.5
            assert (canvases.overlaps(boxes[n], boxes) > 0).sum() == 1
    assert {*canvases.scale_of(np.concatenate(drawn.boxes))} == {0, 1, 2, 3}


def exact(drawn):
    """A detector that is never wrong."""
    return [{"boxes": boxes, "labels": labels, "scores": np.linspace(0.9, 0.5, len(boxes))}
            for boxes, labels in zip(drawn.boxes, drawn.labels)]


def present(drawn, scale=None):
    """The share of the classes of which there is a digit, of this size."""
    return len({label for boxes, labels in zip(drawn.boxes, drawn.labels)
                for label in (labels if scale is None else labels[canvases.scale_of(boxes) == scale])}) / 10


def test_a_detector_that_is_never_wrong_has_precision_1_of_every_size(drawn):
    for scale in (None, *range(4)):
        assert canvases.average_precision(exact(drawn), drawn, scale) == pytest.approx(present(drawn, scale))


def test_a_detector_that_finds_large_digits_only_has_precision_of_those_alone(drawn):
    found = [{name: value[canvases.scale_of(each["boxes"]) == 3] for name, value in each.items()}
             for each in exact(drawn)]
    assert canvases.average_precision(found, drawn, 3) == pytest.approx(present(drawn, 3))
    assert canvases.average_precision(found, drawn, 0) == 0


def test_a_second_box_of_a_digit_and_a_box_beside_it_are_wrong():
    box = np.array([[10.0, 10.0, 26.0, 26.0]])
    truth = canvases.Canvases(np.zeros((1, 1, 96, 96)), [box], [np.array([3.0])])

    def precision(*boxes):
        found = {"boxes": np.array(boxes), "labels": np.full(len(boxes), 3),
                 "scores": np.linspace(0.9, 0.5, len(boxes))}
        return 10 * canvases.average_precision([found], truth)
    assert precision(box[0]) == pytest.approx(1)
    assert precision(box[0], box[0]) == pytest.approx(1)  # nothing more was to be found
    assert precision(box[0] + 20, box[0]) == pytest.approx(0.5)
    assert precision(box[0] + 4) == pytest.approx(0)  # overlaps by 39 %


def test_the_picture_shows_the_digits_and_what_each_detector_is_sure_of(drawn):
    sure = {"boxes": drawn.boxes[0], "scores": np.full(len(drawn.boxes[0]), 0.9)}
    unsure = {**sure, "scores": np.full(len(drawn.boxes[0]), 0.1)}
    whole = np.asarray(script.picture({"a": sure, "b": unsure}, drawn.images[0, 0], drawn.boxes[0]))
    colours = [{tuple(pixel) for pixel in panel.reshape(-1, 3)} for panel in np.split(
        np.concatenate([whole[:, 294 * n:294 * n + 288] for n in range(3)], axis=1), 3, axis=1)]
    lime, orange = (0, 255, 0), (255, 165, 0)
    assert [(lime in each, orange in each) for each in colours] == [
        (True, False), (False, True), (False, False)]
