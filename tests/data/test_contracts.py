"""The contracts of datasets, samplers and transforms: attributes that mean something else change nothing."""

import numpy as np
import pytest

from cnnkit import data, random
from cnnkit.data import (
    ArrayDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    WeightedRandomSampler,
    class_balance,
    datasets,
    random_split,
)
from cnnkit.data.transforms import Compose, MixUp, ToTensor

DIGITS = Subset(datasets.digits(), range(24))
MEANINGLESS = {"size": 10, "batch_size": object(), "epoch": "first", "state": None, "key": "k",
               "device": "mine", "name": "n", "values": [1, 2], "stored": "on disk", "order": "shuffled",
               "weights": [0.5, 0.5], "targets": "labels", "classes": 10, "image_shape": "8x8", "epochs": 3,
               "mixes": True, "num_classes": 3, "batch": 32, "pointwise": True, "dataset": "digits",
               "data": b""}
FREE_IN_DATASET = sorted(MEANINGLESS.keys() - {"batch", "image_shape"})  # the others are methods of Dataset


def with_attributes(thing, **attributes):
    vars(thing).update(attributes)
    return thing


def batches(loader):
    return [(x.tobytes(), y.tolist()) for x, y in loader.numpy_batches()]


class Pairs:
    """A user's dataset, before it is given attributes."""

    def __len__(self):
        return len(DIGITS)

    def __getitem__(self, index):
        return DIGITS.batch([index])[0][0], int(DIGITS.targets[index])


class Derived(Pairs, Dataset):
    """The same, derived from `Dataset`."""


class Stream(IterableDataset):
    """The same as a stream."""

    def __iter__(self):
        return (Pairs()[i] for i in range(len(DIGITS)))


class Indices(list):
    """A user's indices, before they are given attributes."""


# Datasets


@pytest.mark.parametrize(("kind", "name"), [*((Pairs, name) for name in MEANINGLESS),
                                            *((Stream, name) for name in MEANINGLESS),
                                            *((Derived, name) for name in FREE_IN_DATASET)])
def test_no_attribute_of_a_dataset_changes_its_batches(kind, name):
    odd = with_attributes(kind(), **{name: MEANINGLESS[name]})
    settings = {"batch_size": 7, "shuffle": True, "seed": 1}
    assert batches(DataLoader(odd, **settings)) == batches(DataLoader(kind(), **settings))
    assert batches(DataLoader(odd, 7, augment=lambda x, y, key: (x, y))) == batches(DataLoader(kind(), 7))


@pytest.mark.parametrize("kind", [Pairs, Derived])
@pytest.mark.parametrize("name", FREE_IN_DATASET)
def test_no_attribute_of_a_dataset_changes_its_parts(kind, name):
    odd = with_attributes(kind(), **{name: MEANINGLESS[name]})
    parts, plain = (random_split(dataset, [16, 8], stratify=True) for dataset in (odd, kind()))
    for part, expected in zip(parts, plain, strict=True):
        assert batches(DataLoader(part, 5)) == batches(DataLoader(expected, 5))
        assert [y for _, y in part] == [y for _, y in expected]


def test_methods_called_values_and_stored_are_the_users_own():
    class Sensor(Derived):
        def values(self):
            return {"temperature": 20}

        def stored(self):
            return "/data"

    assert batches(DataLoader(Sensor(), 7)) == batches(DataLoader(Pairs(), 7))
    assert [y.tolist() for _, y in DataLoader(Subset(Sensor(), range(7)), 7)] == [DIGITS.targets[:7].tolist()]


@pytest.mark.parametrize("targets", ["labels", None, [3, 1], 5])
def test_samples_are_read_where_targets_are_no_labels(targets):
    odd = with_attributes(Pairs(), targets=targets)
    assert class_balance(odd).counts.tolist() == class_balance(DIGITS).counts.tolist()


@pytest.mark.parametrize("classes", [10, "0123456789", [0, 1], lambda: 2, {"a": 0}])
def test_classes_are_names_only_where_they_are_a_sequence_of_text(classes):
    odd = with_attributes(Pairs(), classes=classes)
    assert class_balance(odd).classes == tuple("0123456789")
    assert len(batches(DataLoader(odd, 24))) == 1
    assert Subset(odd, [0]).classes is None


def test_a_subset_of_a_dataset_without_labels_has_none():
    assert not hasattr(Subset(with_attributes(Pairs(), targets="labels"), [0]), "targets")


def test_a_stream_is_told_the_epoch_only_by_a_method_of_that_name():
    class Recording(Stream):
        epochs = ()

        def set_epoch(self, epoch):
            self.epochs = (*self.epochs, epoch)

    stream = Recording()
    loader = DataLoader(stream, 7)
    assert batches(loader) == batches(loader)
    assert stream.epochs == (0, 1)
    assert batches(DataLoader(with_attributes(Stream(), set_epoch=None), 7)) == batches(loader)


# Samplers


@pytest.mark.parametrize("name", MEANINGLESS)
def test_no_attribute_of_indices_changes_the_order(name):
    odd = with_attributes(Indices([3, 1, 1]), **{name: MEANINGLESS[name]})
    assert batches(DataLoader(DIGITS, 2, sampler=odd)) == batches(DataLoader(DIGITS, 2, sampler=[3, 1, 1]))


def test_weights_of_a_users_sampler_need_not_be_of_the_samples():
    class ByClass:
        weights = (0.5, 0.5)  # of the two classes

        def __len__(self):
            return 5

        def draw_indices(self, key):
            return random.permutation(key, 24)[:5]

    loader = DataLoader(DIGITS, 2, sampler=ByClass(), seed=0)
    first, second = ([label for _, labels in batches(loader) for label in labels] for _ in range(2))
    assert len(first) == len(second) == 5
    assert first != second
    with pytest.raises(ValueError, match="2 weights, but the dataset 24 samples"):
        DataLoader(DIGITS, sampler=WeightedRandomSampler([0.5, 0.5], 5))


# Transforms


class Double:
    """A user's transform, before it is given attributes."""

    def __call__(self, image):
        return ToTensor()(image) * 2


@pytest.mark.parametrize("name", MEANINGLESS)
@pytest.mark.parametrize("wrap", [lambda t: t, lambda t: Compose([t]), lambda t: Compose([t, ToTensor()])],
                         ids=["alone", "composed", "before another"])
def test_no_attribute_of_a_transform_changes_images(name, wrap):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    plain, odd = (ArrayDataset(pictures, range(6), transform=wrap(transform))
                  for transform in (Double(), with_attributes(Double(), **{name: MEANINGLESS[name]})))
    assert batches(DataLoader(odd, 4)) == batches(DataLoader(plain, 4))
    for (x, _), (expected, _) in zip(DataLoader(odd, 4), DataLoader(plain, 4), strict=True):
        np.testing.assert_array_equal(x.numpy(), expected.numpy())


@pytest.mark.parametrize("name", MEANINGLESS)
def test_no_attribute_of_an_augmentation_changes_batches(name):
    class Noise:
        def __call__(self, x, y, *, key):
            return x + random.uniform_between(key, 1, 0, 1).item(), y

    plain = DataLoader(DIGITS, 7, seed=0, augment=Noise())
    odd = DataLoader(DIGITS, 7, seed=0, augment=with_attributes(Noise(), **{name: MEANINGLESS[name]}))
    assert batches(odd) == batches(plain)


# Optional methods


def test_a_transform_with_transform_batch_is_given_whole_batches():
    class Counting(Double):
        calls = 0

        def transform_batch(self, images):
            self.calls += 1
            return ToTensor().transform_batch(images) * 2

    pictures = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    transform = Counting()
    data = ArrayDataset(pictures, range(6), transform=transform)
    assert data.pixel_values() is None  # it does not say that it is pointwise
    transformed = batches(DataLoader(data, 4))
    assert transformed == batches(DataLoader(ArrayDataset(pictures, range(6), transform=Double()), 4))
    assert transform.calls == 2


def test_a_transform_that_says_that_it_is_pointwise_is_looked_up():
    class Pointwise(Double):
        def transform_batch(self, images):
            return ToTensor().transform_batch(images) * 2

        def is_pointwise(self):
            return True

    pictures = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype=np.uint8)
    data = ArrayDataset(pictures, range(6), transform=Pointwise())
    np.testing.assert_array_equal(data.pixel_values()[0][pictures[:, None]], data.batch(range(6))[0])
    assert ArrayDataset(pictures, range(6), transform=Compose([Pointwise(), Double()])).pixel_values() is None


def test_a_users_mixing_says_for_how_many_classes_it_is():
    class Mixing:
        def __init__(self, classes):
            self.classes = classes

        def __call__(self, x, y, *, key):
            return x, np.eye(10, dtype="float32")[y]

        def mixes_labels(self):
            return True

        def label_classes(self):
            return self.classes

    with pytest.raises(ValueError, match="is for 3 classes, but the dataset has 10"):
        DataLoader(DIGITS, augment=Mixing(3))
    with pytest.raises(ValueError, match="must know how many classes there are; give num_classes=10"):
        DataLoader(DIGITS, augment=Mixing(None))
    loader = DataLoader(DIGITS, 7, augment=Mixing(10))
    assert (loader.mixes_labels(), next(loader.numpy_batches())[1].shape) == (True, (7, 10))


@pytest.mark.parametrize(("thing", "contracts"), [
    (datasets.digits(), {"IndexedDataset", "PixelTable"}), ([], {"IndexedDataset"}), (Stream(), set()),
    (WeightedRandomSampler([1, 2], 3), {"Sampler"}), (ToTensor(), {"BatchTransform", "PointwiseTransform"}),
    (MixUp(), {"BatchTransform", "LabelMixing"}), (Compose([]), {"PointwiseTransform", "LabelMixing"})],
    ids=["array dataset", "list", "stream", "sampler", "to tensor", "mixup", "compose"])
def test_what_cnnkit_has_meets_the_contracts(thing, contracts):
    everything = [getattr(data.contracts, name) for name in data.contracts.__all__]
    optional = [contract for contract in everything if contract._is_runtime_protocol]
    assert {contract.__name__ for contract in optional if isinstance(thing, contract)} == contracts
