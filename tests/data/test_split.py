"""A random split loses nothing, repeats nothing, and depends on its seed only."""

import pytest

from cnnkit.data import random_split


@pytest.mark.parametrize(("lengths", "sizes"), [
    ([7, 3], [7, 3]), ([0.7, 0.3], [7, 3]), ([0.33, 0.33, 0.34], [4, 3, 3]), ([1.0], [10]), ([1.0, 0.0], [10, 0]),
    ([10, 0], [10, 0]), ([0.29, 0.71], [3, 7]),
])
def test_parts_have_the_wanted_sizes_and_share_no_sample(lengths, sizes):
    parts = random_split(list(range(10)), lengths)
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part.indices) == list(range(10))


def test_a_split_depends_on_its_seed_only():
    first, again, other = (random_split(range(100), [0.8, 0.2], seed)[1].indices.tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert first != list(range(80, 100))


@pytest.mark.parametrize(("lengths", "match"), [
    ([7, 4], "sum to 11, but the dataset has 10"), ([0.7, 0.2], r"fractions must sum to 1, .* sum to 0\.9"),
    ([11, -1], "no part can be smaller than nothing"), ([1.5, -0.5], "no part can be smaller than nothing"),
])
def test_lengths_that_do_not_fit_are_refused(lengths, match):
    with pytest.raises(ValueError, match=match):
        random_split(list(range(10)), lengths)
