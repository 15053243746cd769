"""What a dataset draws for its samples is the same with any number of workers, and after a resume."""

import numpy as np
import pytest

from cnnkit import random
from cnnkit.data import ArrayDataset, DataLoader, IterableDataset, transforms

IMAGES = np.arange(40 * 16, dtype=np.float32).reshape(40, 1, 4, 4) / 640
JITTER = transforms.Compose([transforms.ToTensor(), transforms.RandomHorizontalFlip(),
                             transforms.RandomCrop(4, padding=1)])


class Pairs:
    """A dataset of one's own, whose transform draws from the generator."""

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        return JITTER(IMAGES[index, 0]), index % 2


def arrays():
    return ArrayDataset(IMAGES[:, 0], np.arange(40) % 2, transform=JITTER)


class Stream(IterableDataset):
    def __iter__(self):
        return ((JITTER(image[0]), n % 2) for n, image in enumerate(IMAGES))


def images(loader, epochs=2):
    return [[x.numpy().copy() for x, _ in loader] for _ in range(epochs)]


def same(a, b):
    return all((x == y).all() for one, other in zip(a, b, strict=True)
               for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize("make", [Pairs, arrays, Stream])
@pytest.mark.parametrize("shuffle", [False, True])
def test_the_number_of_workers_changes_nothing(make, shuffle):
    def epochs(workers, seed=3):
        return images(DataLoader(make(), 8, shuffle, num_workers=workers, seed=seed))
    alone = epochs(0)
    assert same(epochs(1), alone)
    assert same(epochs(4), alone)
    assert not same(alone[:1], alone[1:])  # another epoch draws others
    if shuffle:
        assert not same(epochs(0, seed=4), alone)


def test_skipped_batches_draw_nothing_from_the_others():
    for make in (Pairs, Stream):
        loader, whole = (DataLoader(make(), 8, seed=3, shuffle=True) for _ in range(2))
        loader.skip_batches(2)
        assert same([[x.numpy() for x, _ in loader]], [[x.numpy() for x, _ in whole][2:]])


def test_the_generator_is_left_where_it_was_and_its_seed_counts():
    def first(seed):
        random.seed(seed)
        loader = DataLoader(Pairs(), 8)
        state = random.get_state()
        x = next(iter(loader))[0].numpy()
        assert random.get_state() == state
        return x
    assert (first(1) == first(1)).all()
    assert (first(1) != first(2)).any()


def test_whatever_draws_meanwhile_changes_nothing():
    loader, other = (DataLoader(Pairs(), 8, num_workers=2, seed=3) for _ in range(2))
    for (x, _), (y, _) in zip(loader, other, strict=True):
        random.next_key()
        assert (x.numpy() == y.numpy()).all()
