"""Tally: loss and accuracy added up where the model runs, and read from there only when somebody wants to see them."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of

__all__ = ["Tally"]


class Tally:
    """Sums over the batches of an epoch. `add` waits for nothing; `read` waits for the device once."""

    def __init__(self) -> None:
        self.images = 0
        self._loss = 0.0
        self._right = 0
        self._classified = 0
        self._unread: list[tuple[Any, int]] = []  # mean loss of a batch, batch size
        self._hits: list[Any] = []

    def add(self, loss: Tensor, output: Tensor, target: Tensor) -> None:
        """Count one batch: its mean loss and, where the output is one row of scores an image, its correct answers."""
        count = output.shape[0]
        self.images += count
        self._unread.append((loss.array, count))
        if output.ndim == 2 and target.ndim == 1:
            scores = output.array
            xp = backend_of(scores).namespace
            right = xp.argmax(scores, axis=1) == target.array
            self._hits.append(xp.count_nonzero(right) if hasattr(xp, "count_nonzero") else xp.sum(xp.astype(right, xp.int64)))
            self._classified += count

    def state(self) -> list[int | float]:
        """The sums so far, as plain numbers; waits for the device."""
        self.read()
        return [self.images, self._loss, self._right, self._classified]

    @classmethod
    def of(cls, state: list) -> Tally:
        """A tally that goes on from `state`."""
        tally = cls()
        tally.images, tally._loss, tally._right, tally._classified = state
        return tally

    def read(self) -> tuple[float, float | None]:
        """Mean loss and accuracy of everything counted so far."""
        for loss, count in self._unread:
            self._loss += float(backend_of(loss).to_numpy(loss)) * count
        for hits in self._hits:
            self._right += int(backend_of(hits).to_numpy(hits) if hasattr(hits, "shape") else hits)
        self._unread, self._hits = [], []
        if not self.images:
            return float("nan"), None
        return self._loss / self.images, self._right / self._classified if self._classified else None
