"""Arrays as a dataset: one set of rules for dtype, layout and labels, and what was learnt is repeated."""

import numpy as np
import pytest

from cnnkit.data import InputFormat
from cnnkit.data.arrays import Samples, dataset_of_arrays
from cnnkit.data.transforms import Normalize, ToTensor

U = np.random.default_rng(0).integers(0, 256, (4, 8, 9, 3), np.uint8)
RGB = InputFormat((3, 8, 9), 0.0, 1.0)


def batch(images, **settings):
    return dataset_of_arrays(images, **settings).batch(range(len(images)))[0]


@pytest.mark.parametrize(("images", "shape"), [
    (U, (3, 8, 9)), (U.transpose(0, 3, 1, 2), (3, 8, 9)), (U[..., 0], (1, 8, 9)), (U / 255, (3, 8, 9)),
    (U[..., :1] / 255, (1, 8, 9)), (U.reshape(4, -1) / 255, (216,)), ((U[..., 0] > 9), (1, 8, 9)),
    (np.zeros((4, 2, 3, 4, 5)), (2, 3, 4, 5))], ids=lambda value: str(getattr(value, "shape", value)))
def test_every_layout_becomes_channels_first(images, shape):
    result = batch(images)
    assert (result.shape[1:], result.dtype) == (shape, np.float32)
    assert result.max() <= 1


def test_bytes_scaled_floats_and_sixteen_bits_are_the_same_images():
    expected = ToTensor().transform_batch(U)
    np.testing.assert_array_equal(batch(U), expected)
    np.testing.assert_allclose(batch(U / 255), expected, rtol=1e-6)
    np.testing.assert_allclose(batch(U.astype(">u2") * 257), expected, rtol=1e-6)


def test_a_network_of_float64_gets_float64():
    images = np.random.default_rng(0).random((2, 8, 9))
    np.testing.assert_array_equal(batch(images, dtype="float64")[:, 0], images)


def test_signals_and_volumes_keep_their_shape():
    assert batch(np.zeros((4, 2, 30)), rank=1).shape == (4, 2, 30)
    assert batch(np.zeros((4, 2, 3, 8, 9)), rank=3).shape == (4, 2, 3, 8, 9)


@pytest.mark.parametrize("settings", [{"channels": 3}, {"learnt": InputFormat((3, 4, 8), 0.0, 1.0)}], ids=str)
def test_what_the_shape_leaves_open_the_network_says(settings):
    images = np.zeros((5, 4, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"may be \(N, C, H, W\) or \(N, H, W, C\).*data_format='NCHW'"):
        dataset_of_arrays(images)
    assert dataset_of_arrays(images, **settings).image_shape == (3, 4, 8)


def test_pictures_are_normalised_as_in_training():
    learnt = InputFormat((3, 8, 9), -2.0, 2.0, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    expected = Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4))(ToTensor().transform_batch(U))
    np.testing.assert_array_equal(batch(U, learnt=learnt), expected)
    np.testing.assert_allclose(batch(U / 255, learnt=learnt), U.transpose(0, 3, 1, 2) / 255, rtol=1e-6)


@pytest.mark.parametrize(("images", "match"), [
    (U[..., 0], r"1 channel, gray \(shape \(1, 8, 9\)\), .*from images of 3 channels, RGB.*convert\('RGB'\)"),
    (np.zeros((2, 4, 8, 9), np.uint8), "4 channels, RGB and alpha.*leave out alpha"),
    (np.zeros((3, 8, 9), np.float32), r"one image becomes a batch with image\[None\]")])
def test_other_channels_than_those_of_training_are_refused(images, match):
    with pytest.raises(ValueError, match=match):
        dataset_of_arrays(images, learnt=RGB)


@pytest.mark.parametrize(("dtype", "values", "fix"), [
    ("int64", 255, r"int64 from 0 to 255; use .astype\('uint8'\) where 255 is white"),
    ("int16", 4095, r"int16 from 0 to 4095; use .astype\('uint16'\) where 65535 is white"),
    ("int32", -9, r"from -9 to 0; use .astype\('float32'\)")])
def test_other_integers_are_named_with_their_range_and_the_fix(dtype, values, fix):
    images = np.zeros((2, 4, 4), dtype)
    images[0, 0, 0] = values
    for shape in ((2, 4, 4), (2, 16)):
        with pytest.raises(TypeError, match=fix):
            dataset_of_arrays(images.reshape(shape))


@pytest.mark.parametrize("shape", [(0,), (0, 1, 8, 8), ()])
def test_nothing_is_refused(shape):
    with pytest.raises(ValueError, match="there are no images"):
        dataset_of_arrays(np.zeros(shape))


def test_damaged_numbers_are_named_in_rows_too():
    rows = np.zeros((3, 4))
    rows[2, 1] = np.nan
    with pytest.raises(ValueError, match="image 2 of the dataset holds NaN"):
        dataset_of_arrays(rows)


def test_labels_keep_their_kind():
    for labels, kind in (([0, 1, 2, -100], "int64"), (np.array([1, 2, 3, 4], "u1"), "int64"),
                         ([True] * 4, "int64"), (np.arange(4.0), "float32"),
                         (np.zeros((4, 8, 9), int), "int64")):
        for images in (U, U.reshape(4, -1)):
            targets = dataset_of_arrays(images, labels).targets
            assert (targets.dtype.name, targets.shape) == (kind, np.shape(labels))


def test_samples_stay_as_they_are_but_for_dtype_and_scale():
    samples = Samples(U, range(4))
    assert samples.batch([1, 2])[0].shape == (2, 8, 9, 3)
    assert samples[3][1] == 3
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[4, 3\]"):
        Samples(U, range(3))
