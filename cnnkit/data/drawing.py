"""What a dataset draws from `cnnkit.random` while it gives its samples: of a key, whichever thread it is in.

Random transforms inside a dataset draw from the generator of the thread that calls them. So each batch of a
dataset, and each sample of a stream, is made with a generator that begins at a key of its own: the numbers
are the same with any number of workers, after a resume, and whatever else draws at the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

from cnnkit import random
from cnnkit.random import Key

__all__ = ["drawing", "each_drawing"]

_SAMPLES = 1 << 61  # folded into a batch's or an epoch's key; augmentation draws from a batch's key itself


def drawing(key: Key) -> AbstractContextManager[Any]:
    """A block in which this thread draws from a generator that begins at a key.

    >>> with drawing((3, 4)):
    ...     inside = random.next_key()
    >>> with drawing((3, 4)):
    ...     random.next_key() == inside
    True
    """
    low, high = random.fold_in(key, _SAMPLES)
    return random.seeded(low | high << 32)


def each_drawing(samples: Iterable[Any], key: Key) -> Iterator[Any]:
    """The samples of a stream, each read with a generator that begins at a key made of its number.

    >>> def noisy():
    ...     for n in range(2):
    ...         yield n, random.next_key()
    >>> list(each_drawing(noisy(), (0, 0))) == list(each_drawing(noisy(), (0, 0)))
    True
    """
    step: Callable[[], Any] = iter(samples).__next__
    for number in count():
        try:
            with drawing(random.fold_in(key, number)):
                sample = step()
        except StopIteration:
            return
        yield sample
