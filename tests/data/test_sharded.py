"""Batches in shards are the loader's batches, whoever reads which shard."""

from __future__ import annotations

import numpy as np
import pytest

import cnnkit
from cnnkit.data import ArrayDataset, DataLoader, Dataset, TensorDataset, datasets
from cnnkit.data.sharded import sharded


def batches(loader, shards, mine):
    return list(sharded(loader, shards, mine, tuple))


class OneByOne(Dataset):
    """Images that may be drawn, for all that is known."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.data[index]


def on_device(data):
    return TensorDataset(cnnkit.tensor(data.data[:, None] / np.float32(255)), cnnkit.tensor(data.targets))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", [lambda data: data, OneByOne, on_device], ids=["array", "drawn", "device"])
def test_the_shards_together_are_the_batch(workers, kind):
    digits = datasets.digits()
    digits = kind(ArrayDataset(digits.data[:130], digits.targets[:130]))
    given = list(DataLoader(digits, 37, shuffle=True, seed=1))
    parts = [batches(DataLoader(digits, 37, shuffle=True, seed=1, num_workers=workers), 4, mine)
             for mine in (range(0, 1), range(1, 3), range(3, 4), range(4, 4))]
    for n, (x, y) in enumerate(given):
        read = {shard: part for of_rank in parts for shard, part in of_rank[n].parts.items()}
        assert sum(parts[0][n].sizes) == len(y)
        assert (np.concatenate([read[s][0].numpy() for s in sorted(read)]) == x.numpy()).all()
        assert [label for s in sorted(read) for label in read[s][1].tolist()] == y.tolist()


def test_a_dataset_that_draws_nothing_gives_a_process_all_its_shards_at_once(monkeypatch):
    loaded = []
    batch = ArrayDataset.batch
    monkeypatch.setattr(ArrayDataset, "batch",
                        lambda self, indices: loaded.append(list(indices)) or batch(self, indices))
    digits = datasets.digits()
    plain = ArrayDataset(digits.data[:12].astype("float32"), digits.targets[:12])
    batches(DataLoader(plain, 8), 4, range(1, 3))
    assert loaded == [[2, 3, 4, 5], [9, 10]]
    loaded.clear()
    drawn = ArrayDataset(plain.data, plain.targets, transform=lambda image: image)
    batches(DataLoader(drawn, 8), 4, range(1, 3))
    assert loaded == [[2, 3], [4, 5], [9], [10]]


def test_any_other_loader_is_cut():
    pairs = [(np.arange(5), np.arange(5)), (np.arange(2), np.arange(2))]
    cut = batches(iter(pairs), 3, range(1, 3))
    assert [batch.sizes for batch in cut] == [[2, 2, 1], [1, 1, 0]]
    assert [{s: part[0].tolist() for s, part in batch.parts.items()} for batch in cut] == [
        {1: [2, 3], 2: [4]}, {1: [1]}]


def test_augmentation_draws_by_shard_and_not_by_reader():
    digits = datasets.digits()

    def noisy(x, y, *, key):
        from cnnkit import Tensor, random
        return x + Tensor(random.uniform(key, x.shape)), y
    whole = batches(DataLoader(digits, 30, seed=1, augment=noisy), 3, range(3))
    alone = batches(DataLoader(digits, 30, seed=1, augment=noisy), 3, range(2, 3))
    for one, other in zip(whole, alone):
        assert (one.parts[2][0].numpy() == other.parts[2][0].numpy()).all()
    assert (whole[0].parts[0][0].numpy() != whole[1].parts[0][0].numpy()).any()
