"""DistributedSampler deals every sample once."""

from __future__ import annotations

import pytest

from cnnkit.data import DataLoader, DistributedSampler, datasets


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize(("count", "ranks"), [(10, 3), (9, 3), (2, 3), (7, 1)])
def test_all_samples_are_dealt_as_pytorch_deals_them(shuffle, drop_last, count, ranks):
    if drop_last and count < ranks:
        with pytest.raises(ValueError, match="2 samples are too few for 3 ranks; drop_last=False"):
            DistributedSampler(range(count), ranks, 0, drop_last=True)
        return
    samplers = [DistributedSampler(range(count), ranks, rank, shuffle, drop_last=drop_last)
                for rank in range(ranks)]
    for sampler in samplers:
        sampler.set_epoch(2)
    dealt = [list(sampler) for sampler in samplers]
    assert {len(part) for part in dealt} == {len(samplers[0])}
    everything = sorted(index for part in dealt for index in part)
    if drop_last:
        assert len(set(everything)) == len(everything) == count // ranks * ranks
    else:
        assert set(everything) == set(range(count))


def test_epochs_have_other_orders_and_a_loader_takes_them():
    digits = datasets.digits()
    sampler = DistributedSampler(digits, 2, 1, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    labels = next(iter(DataLoader(digits, batch_size=4, sampler=sampler)))[1].tolist()
    assert labels == [int(digits.targets[i]) for i in list(sampler)[:4]]


def test_a_rank_that_is_none_is_named():
    with pytest.raises(ValueError, match="rank=2 is no rank: there are num_replicas=2"):
        DistributedSampler(range(4), 2, 2)
