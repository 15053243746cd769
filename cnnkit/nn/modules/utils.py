"""Numbers for each axis, as PyTorch's layers make them of one number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["_ntuple", "_pair", "_quadruple", "_single", "_triple"]


def _ntuple(n: int) -> Callable[[Any], tuple]:
    """The function that repeats one value `n` times; several stay as they are.

    >>> _ntuple(2)(3), _ntuple(2)([1, 2])
    ((3, 3), (1, 2))
    """
    def parse(x: Any) -> tuple:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n
    return parse


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
