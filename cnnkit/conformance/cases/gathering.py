"""Cases of look-ups by position: repeated, negative and no positions, rows, columns and numbers, NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import EXACT

__all__ = ["CASES"]

ALL = slice(None)


def exact(op: str, name: str, *inputs: Draw, half: bool = False, **attrs: Any) -> OpCase:
    """A call whose sums are exact, because they are of eighths."""
    return OpCase(op, name, inputs, attrs, EXACT, smooth=False, half=half)


def eighths(*shape: int) -> Draw:
    """Multiples of 1/8."""
    return Draw(shape, "eighths")


def labels(count: int, classes: int) -> Draw:
    """Positions from 0 on, with repetitions."""
    return Draw((count,), "labels", classes=classes)


CASES = (
    # a table of so many rows, of which some are taken more often than once, and some not at all
    exact("take", "rows", eighths(7, 5), labels(12, 7), axis=0, half=True),
    exact("take", "columns", eighths(5, 7), labels(9, 7), axis=1),
    exact("take", "middle-axis", eighths(2, 6, 3), labels(8, 6), axis=-2),
    exact("take", "numbers", eighths(9), labels(20, 9), axis=0),
    exact("take", "images", eighths(4, 2, 3, 3), labels(6, 4), axis=0),
    exact("take", "channels", eighths(2, 4, 3, 3), labels(5, 4), axis=1),
    exact("take", "blocks", eighths(300, 3), labels(400, 300), axis=0),
    exact("take", "nothing", eighths(4, 3), labels(0, 4), axis=0),
    exact("take", "empty-slices", eighths(4, 0), labels(3, 4), axis=0),
    exact("take", "nan", Draw((6, 4), "nan"), labels(5, 6), axis=0),
    exact("scatter_add", "rows", eighths(12, 5), labels(12, 7), axis=0, size=7, half=True),
    exact("scatter_add", "columns", eighths(5, 9), labels(9, 4), axis=1, size=4),
    exact("scatter_add", "middle-axis", eighths(2, 8, 3), labels(8, 6), axis=1, size=6),
    exact("scatter_add", "numbers", eighths(20), labels(20, 9), axis=-1, size=9),
    exact("scatter_add", "one-place", eighths(33, 2), labels(33, 1), axis=0, size=3, half=True),
    exact("scatter_add", "many-at-each", eighths(130, 2), labels(130, 3), axis=0, size=3, half=True),
    exact("scatter_add", "blocks", eighths(350, 3), labels(350, 300), axis=0, size=300),
    exact("scatter_add", "nothing", eighths(0, 3), labels(0, 4), axis=0, size=4),
    exact("scatter_add", "nan", Draw((6, 4), "nan"), labels(6, 5), axis=0, size=5),
    *(exact("take_along_axis", name, eighths(*shape), Draw(index, "positions", classes=shape[axis]),
            axis=axis) for name, shape, index, axis in (
        ("one-each", (5, 7), (5, 1), 1), ("several", (5, 7), (5, 9), -1), ("first-axis", (4, 3), (6, 3), 0),
        ("same-for-all", (5, 7), (1, 4), 1), ("broadcast-table", (1, 6, 2), (3, 4, 2), 1),
        ("nothing", (5, 7), (5, 0), 1))),

    exact("getitem", "integers-repeat", eighths(6), index=np.array([3, 0, 3, 5])),
    exact("getitem", "integers-from-the-end", eighths(6, 2), index=np.array([[-1, 0], [5, -6]])),
    exact("getitem", "integers-int32", eighths(3, 5), index=(ALL, np.array([4, -1, 0], np.int32))),
    exact("getitem", "no-integers", eighths(6, 2), index=np.zeros((0, 3), np.int64)),
    exact("getitem", "one-integer", eighths(6, 2), index=np.array(-2)),
    exact("getitem", "pairs", eighths(4, 5), index=(np.array([0, 3, 3]), np.array([1, -1, 4]))),
    exact("getitem", "grid", eighths(4, 5, 2), index=(np.array([[0], [3]]), np.array([1, 1, 4]))),
    exact("getitem", "apart", eighths(3, 4, 5), index=(np.array([0, 2]), ALL, np.array([[4], [1]]))),
    exact("getitem", "after-an-int", eighths(3, 4, 5), index=(1, ALL, np.array([4, 4, 0]))),
    exact("getitem", "after-a-new-axis", eighths(3, 4), index=(None, np.array([2, 2]), slice(None, None, 2))),
    exact("getitem", "mask", eighths(3, 4), index=np.arange(12).reshape(3, 4) % 3 == 0),
    exact("getitem", "mask-of-rows", eighths(3, 4), index=(np.array([True, False, True]), slice(1, 3))),
    exact("getitem", "mask-of-columns", eighths(2, 3, 4),
          index=(..., np.array([True, False, True, True]))),
    exact("getitem", "empty-mask", eighths(3, 4), index=np.zeros((3, 4), bool)),
)
