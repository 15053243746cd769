"""Images of another size: one Resize for all axes that `interpolate` resamples one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit_onnx.drawing import constant, drawn, op, var_of

Array = Any
# mode -> Resize's mode, and what it calls the way from a result's place to the input's
MODES = {"nearest": "nearest", "linear": "linear", "cubic": "cubic"}


def resample(x: Array, **attrs: Any) -> Any:
    """Resize along one axis."""
    return _resize(x, [attrs])


def resample_several(x: Array, *, calls: Sequence[Any]) -> Any:
    """Resize along the axes of a chain of calls."""
    return _resize(x, [call.attrs for call in calls])


def _resize(x: Array, steps: Sequence[Mapping[str, Any]]) -> Any:
    first = steps[0]
    settings = {(step["mode"], step["align_corners"], step["antialias"]) for step in steps}
    if first["mode"] not in MODES or first["antialias"] or len(settings) > 1:
        return decline("antialiasing, or another mode than nearest, linear and cubic")
    if first["mode"] == "cubic" and x.ndim != 4:
        return decline("cubics along other arrays than images")
    lengths, scales = list(x.shape), [1.0] * x.ndim
    for step in steps:
        axis, n, size = step["axis"], x.shape[step["axis"]], step["size"]
        if scales[axis] != 1:
            return decline("an axis twice")
        given = None if first["align_corners"] else step["scale"]
        scales[axis], lengths[axis] = size / n if given is None else given, size
    # Resize makes the sizes of the scales, which it has in float32
    if all(int(n * float(np.float32(scale))) == size for n, scale, size in zip(x.shape, scales, lengths)):
        target = {"scales": constant(scales, "float32")}
    elif any(step["scale"] is not None for step in steps) and not first["align_corners"]:
        return decline("a scale that does not give the size")
    else:
        target = {"sizes": constant(lengths, "int64")}
    way = ("asymmetric" if first["mode"] == "nearest"
           else "align_corners" if first["align_corners"] else "half_pixel")
    if way == "align_corners" and any(step["size"] == 1 for step in steps):
        return decline("one pixel with align_corners")
    return drawn(op.resize(var_of(x), None, **target, mode=MODES[first["mode"]], nearest_mode="floor",
                           coordinate_transformation_mode=way, cubic_coeff_a=-0.75))
