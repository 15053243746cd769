"""What can go wrong between processes."""

from __future__ import annotations

__all__ = ["GrowthError", "RankError", "RankLost", "RankTimeout"]


class GrowthError(RuntimeError):
    """The launcher has no room for more processes, or cannot start any."""


class RankError(RuntimeError):
    """Another rank has raised an error; the message says which rank, where it ran, and what."""


class RankLost(RuntimeError):
    """A rank is no longer there: its process or its machine has died, or it has left with an error."""


class RankTimeout(TimeoutError):
    """The other ranks have not come to the same place in time."""
