"""The digits that are shipped are scikit-learn's, split the same way everywhere."""

from importlib import resources

import numpy as np
import pytest

from cnnkit.data.datasets import digits
from cnnkit.data.transforms import ToTensor


def test_the_digits_are_scikit_learns_to_the_last_pixel():
    source = pytest.importorskip("sklearn.datasets").load_digits()
    data = digits()
    np.testing.assert_array_equal(data.data[:, 0] * 16, source.images)
    np.testing.assert_array_equal(data.targets, source.target)
    assert (data.data.shape, data.data.dtype) == ((1797, 1, 8, 8), np.float32)
    assert (data.data.min(), data.data.max()) == (0, 1)


def test_the_file_is_small_and_its_licence_is_beside_it():
    folder = resources.files("cnnkit.data")
    assert len((folder / "digits.npz").read_bytes()) < 100_000
    assert "CC BY 4.0" in (folder / "digits.md").read_text()


def test_the_parts_share_no_image_and_lose_none():
    whole, train, test = digits(), digits(train=True), digits(train=False)
    assert (len(train), len(test)) == (1438, 359)
    both = np.concatenate([train.data, test.data]).reshape(1797, 64)
    order = [np.lexsort(images.T) for images in (both, whole.data.reshape(1797, 64))]
    np.testing.assert_array_equal(both[order[0]], whole.data.reshape(1797, 64)[order[1]])


def test_the_held_out_part_is_fixed_for_good_and_has_every_digit():
    test = digits(train=False)
    assert test.targets[:10].tolist() == [2, 2, 9, 9, 6, 5, 3, 5, 2, 2]
    assert np.bincount(test.targets).min() >= 25
    assert not np.array_equal(digits(train=False, seed=1).targets, test.targets)


def test_to_tensor_leaves_the_values_in_0_to_1():
    with_transform = digits(transform=ToTensor())
    np.testing.assert_array_equal(with_transform.batch([5])[0], digits().batch([5])[0])
    assert with_transform[5][0].max() == 1


def test_test_size_sets_the_share_that_is_held_out():
    assert (len(digits(True, test_size=0.5)), len(digits(False, test_size=0.5))) == (899, 898)
    with pytest.raises(ValueError, match="a share between 0 and 1, got 200"):
        digits(True, test_size=200)
