"""Monitor: a figure of the epochs, and which of two values of it is better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Monitor"]

# parts of the names of figures whose higher values are better
HIGHER = ("accuracy", "top_", "precision", "recall", "f1")


class Monitor:
    """Watch a figure of `History` rows.

    Parameters
    ----------
    name : str
        Such as ``"val_loss"`` or ``"val_accuracy"``.
    mode : {"auto", "min", "max"}
        Whether lower or higher values are better; ``"auto"`` decides by the name.
    min_delta : float
        How much better a value must be to count as better.

    >>> Monitor("val_accuracy").better(0.9, 0.8), Monitor("val_loss", min_delta=0.5).better(0.9, 1.0)
    (True, False)
    """

    def __init__(self, name: str, mode: str = "auto", min_delta: float = 0.0):
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        if min_delta < 0:
            raise ValueError(f"min_delta must be 0 or more, got {min_delta}")
        self.name, self.min_delta = name, min_delta
        self.highest = mode == "max" or (mode == "auto" and any(part in name for part in HIGHER))

    def value(self, run: Run) -> float:
        """The figure in the last row."""
        row = run.history[-1].as_dict()
        value = row.get(self.name)
        if not isinstance(value, int | float):
            figures = ", ".join(name for name, figure in row.items() if isinstance(figure, float))
            raise ValueError(f"there is no figure {self.name!r} to monitor: an epoch has {figures}"
                             + ("; give validation= for held-out figures" if run.validation is None else ""))
        return value

    def better(self, value: float, best: float | None) -> bool:
        """Whether `value` is better than `best`; a value that is no number never is."""
        if math.isnan(value):
            return False
        if best is None:
            return True
        return value > best + self.min_delta if self.highest else value < best - self.min_delta
