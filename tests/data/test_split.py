"""A random split loses nothing, repeats nothing, and depends on its seed only."""

import numpy as np
import pytest

from cnnkit.data import datasets, random_split


@pytest.mark.parametrize(("lengths", "sizes"), [
    ([7, 3], [7, 3]), ([0.7, 0.3], [7, 3]),
    ([0.33, 0.33, 0.34], [4, 3, 3]), ([1.0], [10]), ([1.0, 0.0], [10, 0]),
    ([10, 0], [10, 0]), ([0.29, 0.71], [3, 7]),
])
def test_parts_have_the_requested_sizes_and_share_no_sample(lengths, sizes):
    parts = random_split(list(range(10)), lengths)
    assert [len(part) for part in parts] == sizes
    assert sorted(i for part in parts for i in part.indices) == list(range(10))


def test_a_split_depends_on_its_seed_only():
    first, again, other = (random_split(range(100), [0.8, 0.2], seed)[1].indices.tolist()
                           for seed in (0, 0, 1))
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


@pytest.mark.parametrize("seed", range(30))
def test_stratified_parts_have_every_classs_share_to_within_one_sample(seed):
    rng = np.random.default_rng(seed)
    n, k, parts = int(rng.integers(1, 400)), int(rng.integers(1, 12)), int(rng.integers(1, 6))
    labels = (rng.random(n) ** rng.uniform(0.3, 4) * k).astype(int)
    lengths = np.diff([0, *np.sort(rng.integers(0, n + 1, parts - 1)), n])
    split = random_split(range(n), lengths.tolist(), seed, stratify=labels)
    assert [len(part) for part in split] == lengths.tolist()
    assert sorted(np.concatenate([part.indices for part in split]).tolist()) == list(range(n))
    for label in range(k):
        for part, length in zip(split, lengths):
            exact = (labels == label).sum() * length / n
            assert abs((labels[part.indices] == label).sum() - exact) < 1


def test_a_stratified_split_depends_on_its_seed_and_is_shuffled():
    labels = np.repeat([0, 1, 2], 40)
    a, b, c = (random_split(range(120), [0.5, 0.5], seed, stratify=labels)[0].indices.tolist()
               for seed in (0, 0, 1))
    assert a == b != c
    assert labels[a].tolist() != sorted(labels[a].tolist())
    assert sorted(a) != sorted(random_split(range(120), [0.5, 0.5], 0)[0].indices.tolist())


def test_stratify_takes_names_of_classes_and_true_takes_the_datasets():
    digits = datasets.digits()
    names = np.array(digits.classes)[digits.targets]
    by_name, by_label = (random_split(digits, [0.3, 0.7], 4, stratify=labels) for labels in (names, True))
    assert [part.indices.tolist() for part in by_name] == [part.indices.tolist() for part in by_label]
    with pytest.raises(ValueError, match="one class for each of the 1797 samples"):
        random_split(digits, [0.3, 0.7], stratify=[1, 2])
