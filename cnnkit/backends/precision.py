"""Precision: whether kernels may use algorithms with fewer products and more rounding."""

from __future__ import annotations

from typing import Any, ClassVar

from cnnkit.backends.setting import Setting, Switch
from cnnkit.backends.state import precision as _setting

__all__ = ["LEVELS", "precision", "precision_level"]

LEVELS = ("fast", "strict", "tf32", "tf32x3")


def precision_level() -> str:
    """What `precision` says in this thread: ``"fast"``, ``"strict"``, ``"tf32"`` or ``"tf32x3"``.

    >>> precision_level()
    'fast'
    """
    return _setting.get()


class precision(Switch[str]):
    """Compute convolutions as fast as possible ("fast", the default), or by their definition ("strict").

    "tf32" is "fast", and on CUDA devices float32's convolutions may run on tensor cores, which round what
    they multiply to 10 bits behind the point (TF32: an error of 2**-11 in each number); sums stay float32.
    PyTorch does so by default; here it has to be chosen. "tf32x3" makes
    each product of three such ones, of the numbers and of what rounding left of them: an error of about
    2**-21, little more than float32's own.

    As a call it holds for the whole process; as a context manager it holds for this thread, until the block's
    end, as `use` does. A backward pass keeps to the level of its forward pass. "strict" turns Winograd's
    algorithm off, which the C++ kernels take for 3x3 convolutions with many channels: measured against
    float64, its results are off by 1e-6 to 6e-6 of their root mean square, and by 1e-7 to 1e-6 without it
    (``python asv_benchmarks/benchmarks/precision.py``). Both are float32. A number that is very large beside
    its neighbours costs them more digits there: the error is relative to the tile's largest.

    Parameters
    ----------
    level : str
        ``"fast"``, ``"strict"``, ``"tf32"`` or ``"tf32x3"``.

    Raises
    ------
    ValueError
        If there is no such level.

    >>> import cnnkit
    >>> with cnnkit.precision("strict"):
    ...     precision_level()
    'strict'
    """

    setting: ClassVar[Setting[Any]] = _setting

    def __init__(self, level: str):
        if level not in LEVELS:
            raise ValueError(f"there is no precision {level!r}; there are {', '.join(LEVELS)}")
        super().__init__(level)

    def __repr__(self) -> str:
        return f"precision({self._chosen!r})"
