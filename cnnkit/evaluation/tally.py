"""Tally: loss and accuracy added up on the model's device, and read from there only when they are shown."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, on
from cnnkit.ops.precision import wide_sum

__all__ = ["Tally"]


class Tally:
    """Sums over the batches of an epoch. `add` does not wait for the device; `read` waits for it once."""

    def __init__(self) -> None:
        self.images = 0
        self._loss = 0.0
        self.total = 0.0  # the weights of all samples that were read; 1 each where there are no weights
        self._right = 0.0
        self._classified = 0.0
        self._unread: list[tuple[Any, Any]] = []  # a batch's mean loss and its weight
        self._hits: list[tuple[Any, Any]] = []  # the weight of a batch's right answers and its weight

    def add(self, loss: Tensor, output: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
        """Count a batch: its (weighted) mean loss and, where outputs are class scores, its right answers."""
        with on(output.array):
            self._add(loss, output, target, weight)

    def _add(self, loss: Tensor, output: Tensor, target: Tensor, weight: Tensor | None) -> None:
        count = output.shape[0]
        self.images += count
        scores = output.array
        xp = backend_of(scores).namespace
        total = count if weight is None else wide_sum(weight.array)
        self._unread.append((loss.array, total))
        if output.ndim == 2 and target.ndim == 1:
            right = xp.argmax(scores, axis=1) == target.array
            if weight is not None:
                hits = wide_sum(xp.where(right, weight.array, xp.zeros_like(weight.array)))
            else:
                hits = _count_true(xp, right)
            self._hits.append((hits, total))

    def state(self) -> list[int | float]:
        """The sums so far, as plain numbers; waits for the device."""
        self.read()
        return [self.images, self._loss, self.total, self._right, self._classified]

    @classmethod
    def of(cls, state: list) -> Tally:
        """A tally that continues from `state`."""
        tally = cls()
        tally.images, tally._loss, tally.total, tally._right, tally._classified = state
        return tally

    def read(self) -> tuple[float, float | None]:
        """Mean loss and accuracy of all batches so far; NaN and ``None`` if their weights sum to 0."""
        for loss, total in self._unread:
            weight = _number(total)
            self._loss += _number(loss) * weight
            self.total += weight
        for hits, total in self._hits:
            self._right += _number(hits)
            self._classified += _number(total)
        self._unread, self._hits = [], []
        if not self.total:
            return float("nan"), None
        return self._loss / self.total, self._right / self._classified if self._classified else None


def _count_true(xp: Any, flags: Any) -> Any:
    """The number of true values: `count_nonzero` is in the Array API only since 2024.12."""
    return xp.count_nonzero(flags) if hasattr(xp, "count_nonzero") else xp.sum(xp.astype(flags, xp.int64))


def _number(value: Any) -> float:
    return float(value if isinstance(value, int | float) else backend_of(value).to_numpy(value))
