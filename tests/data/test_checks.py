"""Labels out of range and images with NaN are refused, and the sample is named."""

import numpy as np
import pytest

from cnnkit.data.checks import check_images, check_labels

TEN = [str(i) for i in range(10)]


@pytest.mark.parametrize(("labels", "classes", "match"), [
    ([0, 3, 10], TEN, r"label 10 of sample 102 is outside 0\.\.9, the range of 10 classes; correct"),
    ([1, 10, 3], TEN, r"label 10 of sample 101 .*; labels that start at 1 need 1 subtracted"),
    ([0, -1, 99], TEN, "label -1 of sample 101"),
    ([0, 5, -7], None, r"label -7 of sample 102 is negative"),
])
def test_a_label_out_of_range_is_named_with_its_sample(labels, classes, match):
    with pytest.raises(ValueError, match=match):
        check_labels(np.array(labels), [100, 101, 102], classes)


@pytest.mark.parametrize("labels", [[0, 9, 5], np.array([]), [-0.5, 20.25, 3.0], [[0, 1], [1, 0]]])
def test_labels_in_range_and_targets_that_are_no_labels_pass(labels):
    check_labels(np.array(labels), range(3), TEN)


@pytest.mark.parametrize(("value", "name"),
                         [(np.nan, "NaN"), (np.inf, "an infinite value"), (-np.inf, "an infinite value")])
def test_the_first_image_with_nan_or_infinity_is_named(value, name):
    images = np.zeros((4, 1, 3, 3), np.float32)
    images[2:, 0, 1, 1] = value
    with pytest.raises(ValueError, match=f"image 12 of the dataset holds {name}.*remove or repair"):
        check_images(images, [10, 11, 12, 13])


@pytest.mark.parametrize("images", [np.zeros((2, 3, 3), np.uint8),
                                    np.full((2, 3), np.finfo("f4").max, np.float32), np.zeros((0, 3, 3))])
def test_finite_images_pass(images):
    check_images(images, range(2))
