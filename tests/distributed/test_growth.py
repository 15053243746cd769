"""Ranks that are to join a run where there is no room for them."""

from __future__ import annotations

import numpy as np
import pytest

from cnnkit import distributed, nn, train
from cnnkit.distributed.communicator import Alone
from cnnkit.distributed.errors import GrowthError
from cnnkit.train.progress import Silent


class Full:
    """One process, and a launcher without room."""

    rank, size = 0, 1
    asked: list[int]

    def __init__(self):
        self._alone, self.asked = Alone(), []

    def __getattr__(self, name):
        return getattr(self._alone, name)

    def grow(self, size):
        self.asked.append(size)
        raise GrowthError("no more processes than 1 could be started (no slots)")


class Notes(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def full():
    communicator = Full()
    distributed.use(communicator)
    yield communicator
    distributed.use(None)
    distributed.grow_to(0)


def fitted(epochs):
    notes = Notes()
    data = np.ones((8, 3), np.float32), np.arange(8) % 2
    train.fit(nn.Linear(3, 2), data, epochs=epochs, batch_size=4, shards=2, seed=0, progress=notes)
    return notes.notes


def test_a_run_goes_on_where_no_rank_can_join_and_asks_once(full):
    distributed.grow_to(3)
    assert fitted(3) == ["no more processes than 1 could be started (no slots); the run goes on with 1"]
    assert full.asked == [3]


def test_nobody_joins_a_run_that_is_over(full):
    distributed.grow_to(3)
    fitted(1)
    assert full.asked == []


def test_a_size_is_a_whole_number():
    with pytest.raises(ValueError, match="size must be a whole number"):
        distributed.grow_to(-1)
