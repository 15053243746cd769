"""Shards and the tree in which they are added."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cnnkit.distributed.tree import TreeSum, combine, nodes_of, owned, sizes_of

SHARDS = (1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16)


def covered(node, shards):
    level, index = node
    return range(index << level, min((index + 1) << level, shards))


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5, 8, 20])
def test_every_shard_has_one_owner_and_the_nodes_of_a_rank_are_its_shards(shards, ranks):
    parts = [owned(shards, rank, ranks) for rank in range(ranks)]
    assert list(itertools.chain(*parts)) == list(range(shards))
    for part in parts:
        nodes = nodes_of(part, shards)
        assert [s for node in nodes for s in covered(node, shards)] == list(part)
        assert len(nodes) <= 2 * max(1, (shards - 1).bit_length())


@pytest.mark.parametrize("shards", SHARDS)
def test_the_sum_has_the_same_bits_whoever_owns_the_shards(shards):
    values = np.random.default_rng(0).normal(size=(shards, 50)).astype(np.float32)
    values *= np.float32(10) ** np.arange(shards, dtype=np.float32)[:, None]
    sums = []
    for ranks in (1, 2, 3, 4, shards):
        held = {}
        for rank in range(ranks):
            part = owned(shards, rank, ranks)
            adding = TreeSum(shards, np.add)
            for shard in part:
                adding.put(shard, values[shard])
            assert sorted(adding.parts) == sorted(nodes_of(part, shards))
            held |= adding.parts
        sums.append(combine(held, shards, np.add).tobytes())
    assert len(set(sums)) == 1


def test_the_order_matters_at_all():  # or the test above could not fail
    values = np.float32([1e8, 1, -1e8, 1])
    in_order = ((values[0] + values[1]) + values[2]) + values[3]
    assert (values[0] + values[1]) + (values[2] + values[3]) != in_order


def test_a_missing_shard_is_named():
    with pytest.raises(ValueError, match="nobody has shard 1 of 2"):
        combine({(0, 0): 1.0}, 2, lambda x, y: x + y)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 100])
def test_samples_are_dealt_as_equally_as_can_be(count):
    sizes = sizes_of(count, 8)
    assert sum(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
