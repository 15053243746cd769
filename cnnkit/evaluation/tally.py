"""Tally: loss and accuracy added up on the model's device, and read from there only when they are shown."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, on
from cnnkit.evaluation.counting import Count, count_true, label_sum, number

__all__ = ["Tally"]


class Tally:
    """Sums over the batches of an epoch. `add` does not wait for the device; `read` waits for it once."""

    def __init__(self) -> None:
        self.images: Any = 0
        self._loss = 0.0
        self.total: float = 0.0  # what all batches that were read count for: see `Count`
        self._right = 0.0
        self._classified = 0.0
        self._unread: list[tuple[Any, Any, bool]] = []  # a batch's loss, its count, and whether it is a sum
        self._hits: list[tuple[Any, Any]] = []  # the weight of a batch's right answers and of its labels

    def add(self, loss: Tensor | None, output: Tensor, target: Tensor, count: Count, *weight: Tensor,
            summed: bool = False) -> None:
        """Count a batch: its right answers, where outputs are class scores, and its loss, a mean or `summed`.

        There need be no loss where it counts for nothing.
        """
        scores = output.array
        with on(scores):
            self.images += scores.shape[0]
            if loss is not None:
                self._unread.append((loss.array, count.loss, summed))
            if scores.ndim == 2 and target.ndim == 1:
                xp = backend_of(scores).namespace
                right = xp.argmax(scores, axis=1) == target.array
                hits = label_sum(right, *weight) if weight else count_true(xp, right)
                self._hits.append((hits, count.labels))

    def pass_over(self, images: int) -> None:
        """Count the images of a batch that is not learnt from."""
        self.images += images

    def merge(self, state: Any) -> None:
        """Add the sums of another tally's `state`; one that is not `read` yet is read before."""
        self.read()
        images, loss, total, right, classified = map(float, state)
        self.images += int(images)
        self._loss, self.total = self._loss + loss, self.total + total
        self._right, self._classified = self._right + right, self._classified + classified

    def state(self) -> list[int | float]:
        """The sums so far, as plain numbers; waits for the device."""
        self.read()
        return [self.images, self._loss, self.total, self._right, self._classified]

    @classmethod
    def of(cls, state: list[Any]) -> Tally:
        """A tally that continues from `state`."""
        tally = cls()
        tally.images, tally._loss, tally.total, tally._right, tally._classified = state
        return tally

    def mark(self) -> tuple[Any, ...]:
        """Where the sums are now, for `return_to`; does not wait for the device."""
        return (self.images, self._loss, self.total, self._right, self._classified,
                self._unread, len(self._unread), self._hits, len(self._hits))

    def return_to(self, mark: tuple[Any, ...]) -> None:
        """Forget the batches that were added since `mark`, also if they were read."""
        (self.images, self._loss, self.total, self._right, self._classified,
         unread, unread_count, hits, hits_count) = mark
        self._unread, self._hits = unread[:unread_count], hits[:hits_count]

    def read(self) -> tuple[float, float | None]:
        """Mean loss and accuracy of all batches so far; NaN and ``None`` if they count for nothing."""
        for loss, count, summed in self._unread:
            weight = number(count)
            if weight:  # the mean over no label may be NaN
                self._loss += number(loss) * (1 if summed else weight)
                self.total += weight
        for hits, labels in self._hits:
            self._right += number(hits)
            self._classified += number(labels)
        self._unread, self._hits = [], []
        if not self.total:
            return float("nan"), None
        return self._loss / self.total, self._right / self._classified if self._classified else None
