"""History: what a training run measured, one row an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from signal import Signals
from typing import Any

__all__ = ["Epoch", "History"]


@dataclass(frozen=True)
class Epoch:
    """One epoch's figures; accuracies are fractions of 1, ``None`` where the task has no classes.

    `lr` is the learning rate of its last batch; `metrics` has those of ``fit(metrics=...)`` as ``"val_f1"``.
    """

    epoch: int
    loss: float
    accuracy: float | None
    images_per_second: float
    seconds: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    lr: float | None = None
    metrics: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"Epoch {self.epoch}", f"loss {self.loss:.4f}"]
        if self.accuracy is not None:
            parts.append(f"accuracy {self.accuracy:.4f}")
        if self.val_loss is not None:
            parts.append(f"held-out loss {self.val_loss:.4f}")
        if self.val_accuracy is not None:
            parts.append(f"held-out accuracy {self.val_accuracy:.4f}")
        parts += [f"{name.replace('val_', 'held-out ', 1)} {value:.4f}"
                  for name, value in self.metrics.items() if isinstance(value, float)]
        return ", ".join([*parts, f"{self.images_per_second:,.0f} images/s"])


    def as_dict(self) -> dict[str, Any]:
        """The figures by name, those of `metrics` among them."""
        figures = asdict(self)
        metrics = figures.pop("metrics")
        return {**figures, **metrics}


@dataclass
class History:
    """The rows of a run, and whether it was stopped before its last epoch.

    Attributes
    ----------
    epochs : list of Epoch
        The rows.
    interrupted : bool
        Whether a signal, such as Ctrl-C, or a time limit ended the run; the last row is then that of an epoch
        cut short.
    checkpoint : str or None
        The checkpoint that an interrupted run goes on from: ``fit(..., resume=...)`` takes its folder.
    diagnosis : Diagnosis or None
        What ``fit(diagnose=True)`` found.
    signal : signal.Signals or None
        The signal that asked the run to stop: ``signal.SIGINT`` for Ctrl-C, ``SIGTERM``, ``SIGHUP``. The
        status of a program that ends then is ``128 + history.signal``.

    >>> history = History([Epoch(1, 0.5, 0.8, 1000.0, 1.0), Epoch(2, 0.25, 0.9, 1000.0, 1.0)])
    >>> history["loss"], len(history), history[-1].accuracy
    ([0.5, 0.25], 2, 0.9)
    """

    epochs: list[Epoch] = field(default_factory=list)
    interrupted: bool = False
    checkpoint: str | None = None
    diagnosis: Any = None
    signal: Signals | None = None

    def __getitem__(self, key: int | str) -> Any:
        if isinstance(key, str):
            rows = self.as_dicts()
            names = list(rows[0]) if rows else [f.name for f in fields(Epoch)]
            if key not in names:
                raise KeyError(f"a history has no {key!r}; it has {', '.join(names)}")
            return [row[key] for row in rows]
        return self.epochs[key]

    def __len__(self) -> int:
        return len(self.epochs)

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def plot(self, *others: History, names: Sequence[str] = ()) -> Any:
        """The curves as a figure of matplotlib, with those of other runs over them; see `plot.history`."""
        from cnnkit import plot

        return plot.history(self, *others, names=names)

    def _repr_html_(self) -> str:
        from cnnkit.plot.curves import STYLE, curves

        drawings = curves([("run", self.as_dicts())])
        return f'{STYLE}<div class="cnnkit">{"".join(drawings) or "no epochs"}</div>'

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain dicts, for JSON."""
        return [row.as_dict() for row in self.epochs]
