"""Timing in interleaved rounds, without those that something else on the machine has disturbed.

In a round each call is timed once, between two timings of a *control*, which is the same work every time. A
round is disturbed, and thrown away, where one of its controls took more than `slack` times the fastest
control of all rounds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

TRIES = 3  # at most this many times the rounds that are needed are timed

Call = Callable[[], object]


class DisturbedError(RuntimeError):
    """Too few rounds were left: there are no figures."""


@dataclass(frozen=True)
class Rounds:
    """How often and how long to time.

    Attributes
    ----------
    count : int
        Rounds that must be left.
    seconds : float
        How long one timing takes at least; a call that takes less is repeated within it.
    clock : callable
        Seconds since some moment.
    slack : float
        How many times as long as the fastest control another may take.
    """

    count: int = 15
    seconds: float = 4e-3
    clock: Callable[[], float] = time.perf_counter
    slack: float = 1.1

    def medians(self, control: Call, calls: Mapping[str, Call]) -> dict[str, float]:
        """Seconds of each call: the median of `count` rounds that nothing has disturbed.

        Raises
        ------
        DisturbedError
            If there are fewer such rounds among `TRIES` times as many.

        >>> sorted(Rounds(3, 0.0, iter(range(1000)).__next__).medians(int, {"a": str, "b": float}))
        ['a', 'b']
        """
        if not calls:
            return {}
        control_repeats = self._repeats(control)
        repeats = {name: self._repeats(call) for name, call in calls.items()}
        controls: list[float] = []
        timings: list[dict[str, float]] = []
        for _ in range(TRIES * self.count):
            first_control = self._timed(control, control_repeats)
            timings.append({name: self._timed(call, repeats[name]) for name, call in calls.items()})
            controls.append(max(first_control, self._timed(control, control_repeats)))
            limit = min(controls) * self.slack
            undisturbed = [times for times, slower in zip(timings, controls) if slower <= limit]
            if len(undisturbed) == self.count:
                return {name: statistics.median(times[name] for times in undisturbed) for name in calls}
        raise DisturbedError(f"{len(timings) - len(undisturbed)} of {len(timings)} rounds were disturbed: "
                             f"the same work took up to {max(controls) / min(controls):.1f} times as long")

    def _repeats(self, call: Call) -> int:
        """How often to call within one timing; after two calls, which make plans and memory."""
        call(), call()
        return max(1, round(self.seconds / max(self._timed(call, 1), 1e-7)))

    def _timed(self, call: Call, repeats: int) -> float:
        start = self.clock()
        for _ in range(repeats):
            call()
        return (self.clock() - start) / repeats
