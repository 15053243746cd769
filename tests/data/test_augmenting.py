"""A loader's random draws depend on the seed, the epoch and the batch's number, and on nothing else."""

import numpy as np
import pytest

import cnnkit
from cnnkit import random
from cnnkit.data import ArrayDataset, DataLoader, Subset, datasets, transforms

DIGITS = Subset(datasets.digits(), range(50))
AUGMENT = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.RandomCrop(8, padding=2),
                              transforms.CutMix(num_classes=10)])


def loader(**settings):
    return DataLoader(DIGITS, 16, **({"shuffle": True, "seed": 4, "augment": AUGMENT} | settings))


def as_numpy(batches):
    return [tuple(part.numpy() if isinstance(part, cnnkit.Tensor) else part for part in batch)
            for batch in batches]


def assert_same(a, b):
    assert len(a) == len(b)
    for (x, y), (x_other, y_other) in zip(a, b):
        np.testing.assert_array_equal(x, x_other)
        np.testing.assert_array_equal(y, y_other)


def test_each_batch_is_augmented_with_a_key_of_seed_epoch_and_number():
    keys = []

    def record(x, y, *, key):
        keys.append(key)
        return x, y

    recording = loader(augment=record)
    for _ in range(2):
        list(recording)
    assert len(set(keys)) == 8
    again = loader(augment=AUGMENT)
    plain = loader(augment=None)
    batches, unchanged = as_numpy(again) + as_numpy(again), as_numpy(plain) + as_numpy(plain)
    assert_same(batches, [AUGMENT(x, y, key=key) for (x, y), key in zip(unchanged, keys)])
    assert any((x != u).any() for (x, _), (u, _) in zip(batches, unchanged))
    np.testing.assert_array_equal([y.argmax(1).shape for _, y in batches], [y.shape for _, y in unchanged])


def test_skipped_batches_do_not_change_the_others():
    whole, rest = loader(), loader()
    rest.skip_batches(2)
    assert_same(as_numpy(rest), as_numpy(whole)[2:])
    rest.set_epoch(1)
    assert_same(as_numpy(rest), as_numpy(whole))


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_no_draw(workers):
    whole, threaded = loader(), loader(num_workers=workers)
    for _ in range(2):
        assert_same(as_numpy(threaded), as_numpy(whole))
    assert_same(as_numpy(loader(num_workers=workers).numpy_batches()), as_numpy(loader()))


def test_other_draws_do_not_change_the_batches():
    first = as_numpy(loader())
    again = loader()
    batches = []
    for batch in again:
        random.next_key()
        batches.append(batch)
    assert_same(as_numpy(batches), first)


def test_batches_are_those_of_numpy_on_every_backend(backend):
    with cnnkit.use("numpy"):
        expected = as_numpy(loader(num_workers=1))
    assert_same(as_numpy(list(loader())), expected)


def test_without_shuffling_the_order_is_the_datasets():
    x, _ = next(iter(loader(shuffle=False, augment=transforms.RandomVerticalFlip(0))))
    np.testing.assert_array_equal(x.numpy(), DIGITS.batch(range(16))[0])
    random.seed(1)
    unseeded = loader(shuffle=False, seed=None)
    random.seed(1)
    assert_same(as_numpy(unseeded), as_numpy(loader(shuffle=False, seed=None)))
    random.seed(1)
    before = random.get_state()
    DataLoader(DIGITS)
    assert random.get_state() == before


def test_plain_batches_are_those_without_augmentation():
    augmented = loader()
    list(augmented)
    measured = augmented.plain()
    assert measured.augment is None
    expected = loader(augment=None)
    expected.set_epoch(1)
    assert_same(as_numpy(measured), as_numpy(expected))
    assert augmented.epoch == 1


def test_a_state_goes_on_with_the_same_draws_and_says_what_does_not_fit():
    first = loader(seed=None)
    list(first)
    other = loader(seed=77)
    other.load_state_dict(first.state_dict())
    assert_same(as_numpy(other), as_numpy(first))
    with pytest.raises(ValueError, match="a loader with shuffle=True, but this one has shuffle=False"):
        loader(shuffle=False).load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match="a loader without augment=, and this one has augment=Compose"):
        loader(shuffle=False).load_state_dict(DataLoader(DIGITS).state_dict())
    old = {"epoch": 2, "key": [1, 2]}  # written before loaders augmented
    other.load_state_dict(old)
    assert other.state_dict() == old | {"shuffle": True}


def test_names_are_for_fit():
    with pytest.raises(TypeError, match=r"transforms.named\('flip', image_shape, num_classes\)"):
        loader(augment="flip")


def test_the_number_of_classes_must_be_the_datasets():
    with pytest.raises(ValueError, match="is for 3 classes, but the dataset has 10"):
        loader(augment=transforms.MixUp(num_classes=3))
    with pytest.raises(ValueError, match="must know how many classes there are; give num_classes=10"):
        loader(augment=transforms.Compose([transforms.MixUp()]))
    pairs = ArrayDataset(np.zeros((4, 2, 2)), [0, 1, 2, 3])
    assert DataLoader(pairs, augment=transforms.MixUp(num_classes=4)).augment.num_classes == 4
