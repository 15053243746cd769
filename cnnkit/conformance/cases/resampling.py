"""Cases of interpolation along one axis, and of its gradient."""

from __future__ import annotations

from typing import Any

from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import SUMS

__all__ = ["CASES"]

PLAIN: dict[str, Any] = {"align_corners": False, "scale": None, "antialias": False}
# name, shape, axis, size, attributes
CALLS: tuple[tuple[str, tuple, int, int, dict[str, Any]], ...] = (
    ("twice", (2, 3, 4), 2, 8, {"mode": "nearest"}),
    ("nearest-uneven", (2, 5, 3), 1, 7, {"mode": "nearest"}),
    ("nearest-less", (7, 3), 0, 3, {"mode": "nearest"}),
    ("nearest-exact", (2, 5), 1, 8, {"mode": "nearest-exact", "scale": 1.7}),
    ("linear-twice", (2, 3, 5, 4), 2, 10, {"mode": "linear"}),
    ("linear-corners", (2, 4, 3), 1, 7, {"mode": "linear", "align_corners": True}),
    ("linear-less", (2, 9), 1, 4, {"mode": "linear", "scale": 0.45}),
    ("linear-one", (2, 3, 1), 2, 3, {"mode": "linear"}),
    ("cubic", (2, 5, 3), 1, 8, {"mode": "cubic"}),
    ("cubic-antialias", (2, 9, 2), 1, 4, {"mode": "cubic", "antialias": True}),
    ("lanczos", (2, 11), 1, 3, {"mode": "lanczos", "antialias": True}),
    ("batch-0", (0, 4), 1, 6, {"mode": "linear"}),
    ("linear-rows-channels-last", (2, 18, 5, 4), 2, 10, {"mode": "linear"}),
    ("cubic-columns-channels-last", (2, 17, 3, 5), 3, 7, {"mode": "cubic"}),
    ("nearest-channels-last", (2, 5, 3, 4), 3, 8, {"mode": "nearest"}),
)

CASES = tuple(case for name, shape, axis, size, attrs in CALLS for case in (
    OpCase("resample", name, (Draw(shape),), {**PLAIN, **attrs, "axis": axis, "size": size}, SUMS,
           half=name == "linear-twice", channels_last=name.endswith("channels-last")),
    OpCase("resample_input", name, (Draw((*shape[:axis], size, *shape[axis + 1:])),),
           {**PLAIN, **attrs, "axis": axis, "length": shape[axis]}, SUMS, half=name == "linear-twice",
           channels_last=name.endswith("channels-last"))))
