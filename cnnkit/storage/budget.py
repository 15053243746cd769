"""A budget for new arrays: while a model is made as a file's settings say, it may be no larger than its file.

Settings of a few bytes can describe a model of any size. Whoever reads them knows from the file's header how
many numbers the model has, and opens a budget of as many; whatever makes parameters or draws random numbers
spends it, before memory is taken. It belongs to a thread, so other threads are not concerned.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol

from cnnkit.storage.errors import FormatError

__all__ = ["budget", "budget_of", "check_draw", "spend"]

SPARE_NUMBERS, SPARE_ARRAYS = 1 << 16, 64  # of buffers that are not saved


class _Budget:
    def __init__(self, numbers: int, arrays: int):
        self.numbers, self.arrays = numbers + SPARE_NUMBERS, arrays + SPARE_ARRAYS
        self.left, self.arrays_left = self.numbers, self.arrays


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def budget(numbers: int, arrays: int) -> Iterator[None]:
    """Within the block, in this thread, parameters may have so many numbers and be so many.

    Raises
    ------
    FormatError
        In the block, as soon as a new array goes beyond; some spare numbers and arrays are allowed.

    >>> with budget(10, 1):
    ...     spend((3, 3))
    ...     spend((1000, 1000))
    Traceback (most recent call last):
        ...
    cnnkit.storage.errors.FormatError: the settings ask for a larger model than the file holds: an array of \
shape (1000, 1000), where the file's have 10 numbers in all
    """
    token = _budget.set(_Budget(numbers, arrays))
    try:
        yield
    finally:
        _budget.reset(token)


class _Shaped(Protocol):
    @property
    def shape(self) -> tuple[int, ...]: ...


def budget_of(tensors: Mapping[str, _Shaped]) -> AbstractContextManager[None]:
    """The budget of a file's Tensors: for whatever makes the model that they belong to."""
    return budget(sum(math.prod(value.shape) for value in tensors.values()), len(tensors))


def spend(shape: Sequence[int]) -> None:
    """Take a new parameter's or buffer's numbers off the budget, if there is one."""
    here = _budget.get()
    if here is None:
        return
    here.left -= math.prod(shape)
    here.arrays_left -= 1
    if here.left < 0 or here.arrays_left < 0:
        kind = (f"an array of shape {tuple(shape)}, where the file's have {here.numbers - SPARE_NUMBERS:,} "
                "numbers in all" if here.left < 0 else
                f"more than the {here.arrays - SPARE_ARRAYS:,} arrays that the file has")
        raise FormatError(f"the settings ask for a larger model than the file holds: {kind}")


def check_draw(count: int) -> None:
    """Raise FormatError if a draw alone has more numbers than the budget, if there is one."""
    here = _budget.get()
    if here is not None and count > here.numbers:
        raise FormatError("the settings ask for a larger model than the file holds: "
                          f"{count:,} random numbers, where the file has {here.numbers - SPARE_NUMBERS:,}")
