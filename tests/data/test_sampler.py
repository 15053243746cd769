"""Weighted samplers: draws as frequent as the weights say, set by (key, epoch), resumed to the same bits."""

import numpy as np
import pytest

from cnnkit import models, random, train
from cnnkit.data import ArrayDataset, DataLoader, WeightedRandomSampler, class_balance, datasets
from cnnkit.train.callbacks import Checkpoint, TimeLimit


def numbered(n):
    return ArrayDataset(np.zeros((n, 1, 2, 2), np.float32), np.arange(n))


def labels_of(loader):
    return [label for _, labels in loader.numpy_batches() for label in labels.tolist()]


def test_samples_come_as_often_as_their_weights_say():
    weights = [0, 1, 2, 5, 0]
    order = WeightedRandomSampler(weights, 80_000).draw_indices(random.key(0))
    counts = np.bincount(order, minlength=5)
    assert counts[[0, 4]].tolist() == [0, 0]
    np.testing.assert_allclose(counts, 10_000 * np.array(weights), atol=5 * np.sqrt(50_000))


def test_without_replacement_no_sample_comes_twice_and_heavy_ones_come_first():
    sampler = WeightedRandomSampler([1, 3, 0, 4], 1, replacement=False)
    firsts = np.bincount([sampler.draw_indices(random.key(seed))[0] for seed in range(4000)], minlength=4)
    np.testing.assert_allclose(firsts, 500 * np.array([1, 3, 0, 4]), atol=5 * np.sqrt(1000))
    three = WeightedRandomSampler([1, 3, 0, 4], 3, replacement=False)
    assert sorted(three.draw_indices(random.key(0))) == [0, 1, 3]


def test_the_order_depends_on_the_seed_and_the_epoch_only():
    def loader(seed, **kwargs):
        return DataLoader(numbered(40), 7, sampler=WeightedRandomSampler(np.arange(40), 60),
                          seed=seed, **kwargs)

    first = loader(1)
    epochs = [labels_of(first) for _ in range(3)]
    assert len(first) == 9
    assert [len(epoch) for epoch in epochs] == [60] * 3
    again = loader(1, num_workers=2)
    again.set_epoch(1)
    assert [labels_of(again), labels_of(again)] == epochs[1:]
    assert len({tuple(epoch) for epoch in [*epochs, labels_of(loader(2))]}) == 4
    restored = loader(9)
    restored.load_state_dict(again.state_dict())
    assert labels_of(restored) == labels_of(again)


def test_indices_are_a_sampler_too_the_same_in_each_epoch():
    loader = DataLoader(numbered(5), 2, sampler=[4, 4, 0])
    assert [labels_of(loader), labels_of(loader)] == [[4, 4, 0]] * 2
    assert len(loader) == 2


def test_a_run_with_a_sampler_is_resumed_to_the_same_bits(tmp_path):
    digits = datasets.digits(train=True)
    sampler = WeightedRandomSampler(class_balance(digits).weights[digits.targets], 400)

    def run(callbacks=(), resume=False):
        random.seed(0)
        model = models.CommonCNN((1, 8, 8))
        loader = DataLoader(digits, 32, sampler=sampler, seed=0)
        history = train.fit(model, loader, epochs=2, callbacks=callbacks, resume=resume, progress=False)
        return [p.numpy() for p in model.parameters()], history

    whole, _ = run()
    assert run([Checkpoint(tmp_path, every_n_batches=3), TimeLimit(seconds=0.001)])[1].interrupted
    resumed, _ = run([Checkpoint(tmp_path)], resume=True)
    assert all((a == b).all() for a, b in zip(whole, resumed))


@pytest.mark.parametrize(("make", "error", "match"), [
    (lambda: WeightedRandomSampler([1, -1], 2), ValueError, "0 or more"),
    (lambda: WeightedRandomSampler([0, 0], 2), ValueError, "not all 0"),
    (lambda: WeightedRandomSampler([1, np.nan], 2), ValueError, "finite"),
    (lambda: WeightedRandomSampler([1, 1], 0), ValueError, "num_samples must be at least 1"),
    (lambda: WeightedRandomSampler([1, 0, 1], 3, replacement=False),
     ValueError, "3 samples cannot be drawn .* from 2"),
    (lambda: DataLoader(numbered(3), sampler=WeightedRandomSampler([1, 1], 2)), ValueError,
     "2 weights, but the dataset 3 samples"),
    (lambda: DataLoader(numbered(3), shuffle=True, sampler=[0]), ValueError, "does not go with shuffle=True"),
    (lambda: DataLoader(iter([]), sampler=[0]), ValueError, "does not go with a stream"),
    (lambda: DataLoader(numbered(3), sampler=iter([0])), TypeError, "could not repeat"),
    (lambda: DataLoader(numbered(3), sampler=[0, 3]), ValueError, "whole numbers from 0 to 2"),
    (lambda: DataLoader(numbered(3), sampler=[-1]), ValueError, "whole numbers from 0 to 2"),
    (lambda: DataLoader(numbered(3), sampler=[]), ValueError, "whole numbers"),
])
def test_settings_that_make_no_sense_are_refused(make, error, match):
    with pytest.raises(error, match=match):
        make()
