"""Outcome: what a replay has made, before the program has it."""

from __future__ import annotations

from typing import Any

from cnnkit.capturing.fresh import Fresh

__all__ = ["Outcome"]

Array = Any


class Outcome:
    """The arrays that a replay has made; nothing of the program's state has changed yet.

    Attributes
    ----------
    arrays : dict
        Number of a slot -> its array.
    carried : Fresh
        The set of what the program carries on from step to step.
    random_state : dict or None
        Before the replay's draws.
    same : bool
        Whether the set, which was the last one too, has the program's arrays already.
    found : list or None
        What the optimizers' updates were computed from, where they are still to be made.
    held : list
        Keeps its memory from other replays, where several outcomes wait to be committed.
    """

    __slots__ = ("arrays", "carried", "found", "held", "random_state", "same")
    arrays: dict[int, Array]
    carried: Fresh
    random_state: dict[str, int] | None
    same: bool

    def __init__(self, arrays: dict[int, Array], carried: Fresh, random_state: dict[str, int] | None,
                 same: bool):
        self.arrays, self.carried, self.random_state, self.same = arrays, carried, random_state, same
        self.found: list | None = None
        self.held: list = []
