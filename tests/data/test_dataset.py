"""Datasets check what they are given, and a batch holds what the samples hold."""

import numpy as np
import pytest

from cnnkit.data import ArrayDataset, Dataset, Subset
from cnnkit.data.transforms import Compose, Normalize, ToTensor

RNG = np.random.default_rng(0)
LABELS = np.array([0, 1, 2, 0, 1])
STORED = {
    "gray": RNG.integers(0, 256, (5, 6, 7), dtype=np.uint8),
    "colour": RNG.integers(0, 256, (5, 3, 6, 7), dtype=np.uint8),
    "colour_nhwc_memory": RNG.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8).transpose(0, 3, 1, 2),
    "float_gray": RNG.random((5, 6, 7)),
    "float": RNG.random((5, 3, 6, 7), dtype=np.float32),
}


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("transform", [ToTensor(), Compose([ToTensor(), Normalize(0.3, 0.4)])], ids=repr)
def test_the_batched_path_gives_the_bits_of_the_samples(name, transform):
    data = ArrayDataset(STORED[name], LABELS, transform=transform)
    images, labels = data.batch([3, 0, 4])
    np.testing.assert_array_equal(images, np.stack([data[i][0] for i in (3, 0, 4)]))
    assert labels.tolist() == [data[i][1] for i in (3, 0, 4)] == [0, 0, 1]
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("name", STORED)
def test_images_without_a_transform_are_stored_ones_one_by_one_and_float32_nchw_in_a_batch(name):
    data = ArrayDataset(STORED[name], LABELS)
    np.testing.assert_array_equal(data[1][0], STORED[name][1])
    images, _ = data.batch([1])
    assert images.dtype == np.float32
    assert images.shape == (1, 1 if "gray" in name else 3, 6, 7) == (1, *data.image_shape)
    scale = 255 if STORED[name].dtype == np.uint8 else 1
    np.testing.assert_allclose(images[0].squeeze(), STORED[name][1] / scale, rtol=1e-6)


def test_a_transform_sees_a_colour_picture_with_its_channels_last():
    shapes = []
    ArrayDataset(STORED["colour"], LABELS, transform=lambda image: shapes.append(image.shape))[0]
    assert shapes == [(6, 7, 3)]


def test_a_transform_without_a_batch_is_applied_image_by_image():
    data = ArrayDataset(STORED["gray"], LABELS, transform=lambda image: ToTensor()(image[:, ::-1]))
    expected = ToTensor().transform_batch(STORED["gray"][2:3, :, ::-1])
    np.testing.assert_array_equal(data.batch([2])[0], expected)


def test_images_are_kept_and_not_copied():
    assert ArrayDataset(STORED["float"], LABELS).data is STORED["float"]


@pytest.mark.parametrize(("images", "labels", "classes", "error", "match"), [
    (np.zeros((60, 2, 2)), np.zeros(59, int), None, ValueError, "60 images but 59 labels"),
    (np.zeros((0, 2, 2)), np.zeros(0, int), None, ValueError, "empty"),
    (np.zeros((2, 0, 2)), [0, 1], None, ValueError, "empty"),
    (np.zeros((2, 4)), [0, 1], None, ValueError, r"\(N, H, W\) or \(N, C, H, W\), got \(2, 4\)"),
    (np.zeros((2, 4, 4), int), [0, 1], None, TypeError, "images must be uint8 .* or float, got int64"),
    (np.zeros((2, 4, 4)), ["a", "b"], None, TypeError, "labels must be numbers.*numpy.unique"),
    (np.zeros((2, 4, 4)), [0, 3], 3, ValueError, r"label 3 of sample 1 is outside 0\.\.2"),
    (np.zeros((2, 4, 4)), [0, 3], ["a", "b"], ValueError, r"outside 0\.\.1"),
    (np.zeros((2, 4, 4)), [0, -1], None, ValueError, "label -1 of sample 1 is negative"),
    (np.array([[[0.0]], [[np.nan]]]), [0, 1], None, ValueError, "image 1 of the dataset holds NaN"),
])
def test_bad_arrays_are_refused_at_once_with_the_reason(images, labels, classes, error, match):
    with pytest.raises(error, match=match):
        ArrayDataset(images, labels, classes)


def test_a_memory_mapped_array_is_not_read_through_when_the_dataset_is_made(tmp_path):
    np.save(tmp_path / "x.npy", np.full((2, 3, 3), np.nan))
    # checked by the loader, batch by batch
    data = ArrayDataset(np.load(tmp_path / "x.npy", mmap_mode="r"), [0, 1])
    assert isinstance(data.data, np.memmap)


@pytest.mark.parametrize("order", ["C", "F", "mapped"])
@pytest.mark.parametrize("indices", [[4, 0, 4], [-1], np.asarray([False, True, False, False, True])])
def test_stored_images_are_gathered_as_numpy_indexes_them(tmp_path, order, indices):
    images = np.random.default_rng(0).integers(0, 256, (5, 2, 4, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    kept = {"C": images, "F": np.asfortranarray(images),
            "mapped": np.load(tmp_path / "images.npy", mmap_mode="r")}[order]
    batch, labels = ArrayDataset(kept, [3, 1, 0, 2, 4]).stored_batch(indices)
    assert type(batch) is np.ndarray
    assert np.array_equal(batch, images[np.asarray(indices)])
    assert np.array_equal(labels, np.asarray([3, 1, 0, 2, 4])[np.asarray(indices)])


def test_a_subset_holds_the_chosen_samples_in_the_order_given():
    whole = ArrayDataset(STORED["gray"], LABELS, classes=["a", "b", "c"])
    part = Subset(Subset(whole, [4, 2, 0]), [2, 1])
    assert (len(part), part.classes, part.targets.tolist()) == (2, ("a", "b", "c"), [0, 2])
    np.testing.assert_array_equal(part.data, STORED["gray"][[0, 2]])
    np.testing.assert_array_equal(part.batch([1])[0], whole.batch([2])[0])
    np.testing.assert_array_equal(part[1][0], whole[2][0])


def test_a_subset_of_any_sequence_is_batched_one_by_one():
    images, labels = Subset([(np.full((1, 2, 2), i, np.float32), i) for i in range(4)], [3, 1]).batch([0, 1])
    assert images[:, 0, 0, 0].tolist() == labels.tolist() == [3, 1]


@pytest.mark.parametrize("index", [5, -1])
def test_a_subset_refuses_an_index_outside_its_dataset(index):
    with pytest.raises(ValueError, match=rf"index {index} is outside the dataset, which has 5 samples"):
        Subset(ArrayDataset(STORED["gray"], LABELS), [0, index])


class Pictures(Dataset):
    """Samples that a subclass computes, as a user would write it."""

    def __init__(self, *samples):
        self.samples = samples

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        return self.samples[index]


def test_pictures_that_a_dataset_gives_become_float32_nchw():
    pictures = np.ascontiguousarray(STORED["colour"].transpose(0, 2, 3, 1))
    images, labels = Pictures((pictures[0], 1), (pictures[1], 0)).batch([0, 1])
    np.testing.assert_array_equal(images, ToTensor().transform_batch(pictures[:2]))
    assert (images.shape, labels.dtype) == ((2, 3, 6, 7), np.int64)


def test_floats_and_regression_targets_that_a_dataset_gives_stay_as_they_are():
    images, targets = Pictures((np.zeros((1, 2, 2)), 0.5), (np.ones((1, 2, 2)), 1.5)).batch([0, 1])
    assert (images.dtype, targets.dtype, targets.tolist()) == (np.float64, np.float64, [0.5, 1.5])


def test_images_of_different_shapes_cannot_be_one_batch_and_two_are_named():
    data = Pictures((np.zeros((1, 2, 2)), 0), (np.zeros((1, 2, 2)), 0), (np.zeros((1, 3, 2)), 0))
    with pytest.raises(ValueError,
                       match=r"image 1 of the dataset has shape \(1, 2, 2\), image 2 has \(1, 3, 2\)"):
        data.batch([1, 2])


@pytest.mark.parametrize(("sample", "kind"), [((1, 2, 3), "a tuple of 3"), (5, "a int")])
def test_a_sample_that_is_no_pair_is_refused(sample, kind):
    with pytest.raises(TypeError, match=rf"\(image, label\) pairs, but sample 0 is {kind}"):
        Pictures(sample).batch([0])


def test_iterating_over_a_dataset_ends_with_its_length():
    class Endless(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            assert index < 3
            return index, index
    assert list(Endless()) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("call", [len, lambda data: data[0]])
def test_a_dataset_without_its_two_methods_says_which_is_missing(call):
    with pytest.raises(NotImplementedError, match="Dataset must define __"):
        call(Dataset())


@pytest.mark.parametrize(("indices", "message"), [
    ([0.5], "needs whole numbers as indices; got float64"),
    (np.array([True, False, True, False]), r"got bool; of a mask take numpy\.flatnonzero\(mask\)")])
def test_a_subset_by_what_is_no_index_is_refused(indices, message):
    with pytest.raises(TypeError, match=message):
        Subset(ArrayDataset(np.zeros((4, 2, 2)), [0, 1, 2, 3]), indices)


def test_a_subset_takes_any_integers_and_none():
    data = ArrayDataset(np.zeros((4, 2, 2)), [0, 1, 2, 3])
    assert Subset(data, np.array([3, 0], np.uint8)).indices.dtype == np.int64
    assert len(Subset(data, [])) == 0
