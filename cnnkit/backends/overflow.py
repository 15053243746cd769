"""Numbers that overflow where that is expected: NumPy alone warns of them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

__all__ = ["overflowing"]


def overflowing() -> AbstractContextManager[Any]:
    """A block in which NumPy does not warn of infinity and NaN, because somebody looks for them.

    >>> import cnnkit
    >>> with overflowing():
    ...     cnnkit.tensor([1e5]).half()
    tensor([inf], dtype=float16)
    """
    import numpy

    return numpy.errstate(over="ignore", invalid="ignore")
