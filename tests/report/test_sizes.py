"""Accuracy by the size of the object: what counts as the object, and equal groups in order of size."""

import numpy as np
import pytest

from cnnkit.report.answers import Answers
from cnnkit.report.sizes import by_size, foreground, likely_range


def square(side, ground=0, thing=220, size=20):
    picture = np.full((size, size, 3), ground, np.uint8)
    picture[2:2 + side, 2:2 + side] = thing
    return picture


def answers_of(pictures, right):
    labels = np.zeros(len(pictures), int)
    probabilities = np.where(np.asarray(right)[:, None], [[0.9, 0.1]], [[0.1, 0.9]])
    return Answers(probabilities, labels, np.zeros((len(pictures), 1)), pictures, ["a", "b"])


@pytest.mark.parametrize(("ground", "thing"), [(0, 220), (255, 30), (128, 255)])
def test_what_differs_from_the_border_is_the_object_on_dark_and_on_light_ground(ground, thing):
    assert foreground(square(5, ground, thing)).sum() == 25


def test_an_empty_picture_has_no_object():
    assert not foreground(square(0)).any()


def test_groups_are_equal_and_in_order_of_size_with_the_accuracy_of_each():
    sides = [3 + n % 5 for n in range(200)]
    rows = by_size(answers_of([square(side) for side in sides], [side > 3 for side in sides]))
    assert [row["images"] for row in rows] == [40] * 5
    assert [row["accuracy"] for row in rows] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert [row["from"] for row in rows] == [side * side / 400 for side in range(3, 8)]
    assert rows[0]["low"] == 0
    assert 0 < rows[0]["high"] < 0.1


def test_few_images_and_objects_of_one_size_make_no_groups():
    assert by_size(answers_of([square(n % 5 + 1) for n in range(30)], [True] * 30)) == []
    assert by_size(answers_of([square(4)] * 100, [True] * 100)) == []


def test_the_range_is_that_of_wilson():
    assert likely_range(0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert likely_range(10, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
