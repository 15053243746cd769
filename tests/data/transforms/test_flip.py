"""Random flips are NumPy's flips of some images, as many as `p` says."""

import numpy as np
import pytest

from cnnkit import random
from cnnkit.data.transforms import RandomHorizontalFlip, RandomVerticalFlip

X = np.random.default_rng(0).random((4000, 1, 3, 2))


@pytest.mark.parametrize(("flip", "axis"), [(RandomHorizontalFlip, 3), (RandomVerticalFlip, 2)])
@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_each_image_is_flipped_or_left_alone(flip, axis, p):
    result = flip(p)(X, key=random.key(1))
    same, flipped = ((result == other).all(axis=(1, 2, 3)) for other in (X, np.flip(X, axis)))
    assert (same ^ flipped).all()
    assert flipped.mean() == pytest.approx(p, abs=0.02 * (0 < p < 1))


def test_two_flips_are_none():
    for flip in RandomHorizontalFlip(1), RandomVerticalFlip(1):
        np.testing.assert_array_equal(flip(flip(X)), X)


@pytest.mark.parametrize("p", [-0.1, 1.1, 20])
def test_p_is_a_probability(p):
    with pytest.raises(ValueError, match=r"RandomVerticalFlip\(p=.*is a probability from 0 to 1"):
        RandomVerticalFlip(p)
