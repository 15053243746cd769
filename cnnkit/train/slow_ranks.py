"""Which rank the others wait for: each tells how long its part of the updates took."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low

__all__ = ["SlowRanks"]

NOTABLE = 1.5  # times the median rank; of two ranks that is the faster one


class SlowRanks:
    """Adds up the seconds that each rank computes, and names those that take notably longer than the median.

    >>> slow = SlowRanks(["a", "b", "c"])
    >>> slow.add([1.0, 1.0, 2.0])
    >>> slow.text()
    'rank 2 (c) takes 2.0 times as long as the median rank'
    >>> slow.text()
    ''
    """

    def __init__(self, places: Sequence[str]):
        self.places = places
        self._seconds = [0.0] * len(places)

    def add(self, seconds: Sequence[float]) -> None:
        """Count an update."""
        self._seconds = [total + new for total, new in zip(self._seconds, seconds)]

    def text(self) -> str:
        """A sentence on the slow ranks since the last one, or nothing."""
        usual = median_low(self._seconds)
        slow = [f"rank {rank} ({place}) takes {seconds / usual:.1f} times as long as the median rank"
                for rank, (place, seconds) in enumerate(zip(self.places, self._seconds))
                if usual and seconds > NOTABLE * usual]
        self._seconds = [0.0] * len(self.places)
        return "; ".join(slow)
