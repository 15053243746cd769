"""Cases of replaced elements: slices, positions and masks, values that broadcast, views of views."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import EXACT

__all__ = ["CASES"]

ALL = slice(None)


def put(name: str, shape: tuple[int, ...], values: Any, index: Any, half: bool = False) -> OpCase:
    """An assignment of so many values, or of a number."""
    drawn = Draw(values, "eighths") if isinstance(values, tuple) else values
    return OpCase("index_put", name, (Draw(shape, "eighths"), drawn), {"index": index}, EXACT, smooth=False,
                  half=half)


def view(name: str, shape: tuple[int, ...], values: tuple[int, ...], *path: tuple[str, dict]) -> OpCase:
    """A view that is replaced."""
    return OpCase("replace_view", name, (Draw(shape, "eighths"), Draw(values, "eighths")), {"path": path},
                  EXACT, smooth=False)


CASES = (
    put("row", (4, 3), (3,), 1, half=True),
    put("number", (4, 3), 2.0, (slice(1, None, 2), 0)),
    put("broadcast", (4, 3), (3, 1), (slice(1, None), ALL)),
    put("leading-ones", (4, 3), (1, 1, 3), -1),
    put("everything", (2, 3), (3,), ...),
    put("element", (2, 3), (), (1, -1)),
    put("new-axis", (2, 3), (1, 3), (None, 0)),
    put("nothing", (4, 3), (0, 3), slice(4, None)),
    put("integers", (5, 2), (3, 2), np.array([4, 0, -2])),
    put("pairs", (4, 5), (3,), (np.array([0, 3, 3]), np.array([1, -1, 2]))),
    put("apart", (3, 4, 5), (2, 1, 1), (np.array([0, 2])[:, None], ALL, np.array([4, 1]))),
    put("mask", (3, 4), 0.0, np.arange(12).reshape(3, 4) % 3 == 0),
    put("mask-of-rows", (3, 4), (2, 4), np.array([True, False, True])),
    put("empty-mask", (3, 4), 1.0, np.zeros((3, 4), bool)),

    view("column", (4, 3), (4,), ("getitem", {"index": (ALL, 1)})),
    view("transposed", (2, 3), (3, 2), ("permute", {"axes": (1, 0)})),
    view("flat-part", (3, 4), (5,), ("reshape", {"shape": (12,)}), ("getitem", {"index": slice(2, 11, 2)})),
    view("element", (3, 4), (), ("permute", {"axes": (1, 0)}), ("getitem", {"index": (3,)}),
         ("getitem", {"index": 1})),
)
