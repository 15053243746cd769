"""Datasets made of others: streams one after the other, and datasets side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from cnnkit.data.contracts import IndexedDataset
from cnnkit.data.dataset import Dataset
from cnnkit.data.stream import IterableDataset

__all__ = ["ChainDataset", "StackDataset"]


class ChainDataset(IterableDataset):
    """The samples of several streams, one stream after the other.

    >>> list(ChainDataset([iter("ab"), iter("c")]))
    ['a', 'b', 'c']
    """

    datasets: Iterable[Any]

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self.datasets)


class StackDataset(Dataset):
    """Datasets of one length side by side: a sample is the tuple, or the dict, of a sample of each.

    Raises
    ------
    ValueError
        If there is none, both kinds of arguments are given, or the lengths differ.

    >>> StackDataset("ab", [1, 2])[1], StackDataset(image="ab", label=[1, 2])[0]
    (('b', 2), {'image': 'a', 'label': 1})
    """

    datasets: Any

    def __init__(self, *datasets: IndexedDataset, **named: IndexedDataset):
        if bool(datasets) == bool(named):
            raise ValueError("StackDataset takes datasets, or named ones")
        self.datasets = named or datasets
        lengths = [len(dataset) for dataset in datasets or named.values()]
        if len(set(lengths)) > 1:
            raise ValueError(f"datasets side by side must have one length; got {lengths}")
        self._length = lengths[0]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)
