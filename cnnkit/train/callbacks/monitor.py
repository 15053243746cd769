"""Monitor: a figure of the epochs, and which of two values of it is better."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from cnnkit.evaluation.metrics import declared

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Monitor"]

HIGHER_IS_BETTER = {"loss": False, "accuracy": True, "val_loss": False, "val_accuracy": True}
OTHERS = ("lr", "seconds", "images_per_second")  # figures of every epoch that are neither good nor bad


class Monitor:
    """Watch a figure of `History` rows.

    Parameters
    ----------
    name : str
        Such as ``"val_loss"`` or ``"val_accuracy"``; or ``"val_"`` and the name of one of the run's metrics.
    mode : {"auto", "min", "max"}
        Whether lower or higher values are better. ``"auto"``: lower losses, higher accuracies, and what a
        metric declares as its ``higher_is_better``.
    min_delta : float
        How much better a value must be to count as better.

    Attributes
    ----------
    highest : bool or None
        Whether higher values are better; ``None`` until `settle`, where the name alone does not say.

    >>> Monitor("val_accuracy").better(0.9, 0.8), Monitor("val_loss", min_delta=0.5).better(0.9, 1.0)
    (True, False)
    """

    min_delta: float
    name: str

    def __init__(self, name: str, mode: str = "auto", min_delta: float = 0.0):
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be 'auto', 'min' or 'max', got {mode!r}")
        if not min_delta >= 0:
            raise ValueError(f"min_delta must be 0 or more, got {min_delta}")
        self.name, self.mode, self.min_delta = name, mode, min_delta
        self.highest: bool | None = mode == "max"
        if mode == "auto":
            self.highest = HIGHER_IS_BETTER.get(name, declared(name.removeprefix("val_")))

    def settle(self, run: Run) -> None:
        """Find the figure among those that the run will have, and which way is better, before it begins.

        Raises
        ------
        ValueError
            If there is no such figure; or if nothing says which way is better.
        """
        metrics = {f"val_{name}": metric for name, metric in run.metrics.items()}
        figures = [name for name in HIGHER_IS_BETTER if run.validation is not None or name[:4] != "val_"]
        if self.name not in (*figures, *metrics, *OTHERS):
            self._refuse([*figures, *metrics, *OTHERS], run)
        self.highest = self.direction(run)
        if self.highest is None:
            raise ValueError(f"nothing says whether a higher or a lower {self.name!r} is better: give "
                             "mode='min' or mode='max', or the metric a higher_is_better")

    def direction(self, run: Run) -> bool | None:
        """Whether higher values are better, as far as mode, name or the run's metric say."""
        metric = run.metrics.get(self.name.removeprefix("val_")) if self.name.startswith("val_") else None
        return self.highest if self.mode != "auto" or metric is None else metric.higher_is_better

    def value(self, run: Run) -> float:
        """The figure in the last row."""
        row = run.history[-1].as_dict()
        value = row.get(self.name)
        if not isinstance(value, numbers.Real):
            self._refuse([name for name, figure in row.items()
                          if isinstance(figure, numbers.Real) and name != "epoch"], run)
        return float(value)

    def _refuse(self, figures: Sequence[str], run: Run) -> NoReturn:
        raise ValueError(f"there is no figure {self.name!r} to monitor: an epoch has {', '.join(figures)}"
                         + ("; give validation= for held-out figures" if run.validation is None else ""))

    def better(self, value: float, best: float | None) -> bool:
        """Whether `value` is better than `best`; a value that is no number never is."""
        if math.isnan(value):
            return False
        if best is None:
            return True
        return value > best + self.min_delta if self.highest else value < best - self.min_delta
