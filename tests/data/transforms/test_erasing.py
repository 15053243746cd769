"""Random erasing covers one rectangle of some images."""

import numpy as np
import pytest

from cnnkit import random
from cnnkit.data.transforms import RandomErasing

KEY = random.key(6)
X = 1 + np.random.default_rng(0).random((300, 2, 20, 30))


def test_one_rectangle_of_each_chosen_image_is_covered():
    t = RandomErasing(p=0.7, value=(0.25, 0.75))
    result, erased = t(X, key=KEY), 0
    for image, changed in zip(X, result):
        rows, columns = np.nonzero((image != changed)[0])
        if not len(rows):
            continue
        erased += 1
        box = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
        assert (changed[0][box] == 0.25).all()
        assert (changed[1][box] == 0.75).all()
        outside = np.ones((20, 30), bool)
        outside[box] = False
        np.testing.assert_array_equal(changed[:, outside], image[:, outside])
    assert erased / 300 == pytest.approx(0.7, abs=0.08)


def test_rectangles_have_the_requested_areas_and_shapes():
    t = RandomErasing(1, scale=(0.1, 0.3), ratio=(0.5, 2))
    boxes = np.asarray([t.rectangle(200, 200, row) for row in t.draws(KEY, 2000)])
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = height * width / 200**2, height / width
    assert area.min() > 0.098
    assert area.max() < 0.302
    assert ratio.min() > 0.48
    assert ratio.max() < 2.08
    assert area.mean() == pytest.approx(0.2, abs=0.01)
    assert (ratio < 1).mean() == pytest.approx(0.5, abs=0.05)
    assert boxes.min() >= 0
    assert boxes[:, 2:].max() <= 200


def test_a_rectangle_as_large_as_the_image_is_not_drawn():
    t = RandomErasing(1, scale=(1, 1), ratio=(1, 1))
    np.testing.assert_array_equal(t(X[:5, :, :20, :20]), X[:5, :, :20, :20])


def test_random_values_are_normal_and_every_pixel_has_its_own():
    result = RandomErasing(1, scale=(0.3, 0.33), value="random")(X, key=KEY)
    noise = result[result != X]
    assert noise.mean() == pytest.approx(0, abs=0.02)
    assert noise.std() == pytest.approx(1, abs=0.02)
    assert len(np.unique(noise)) > 0.99 * len(noise)


@pytest.mark.parametrize(("settings", "match"), [
    ({"p": 2}, "probability"), ({"scale": (0.5, 0.1)}, "scale"),
    ({"ratio": (0, 1)}, "ratio"), ({"inplace": True}, "never written"),
    ({"value": "noise"}, "or 'random'"),
])
def test_settings_that_make_no_sense_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        RandomErasing(**settings)
