"""Images of another size, one axis at a time: each element is a weighted sum of a few; see `taps`.

Each of the two ops is the other's backward.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from cnnkit.backends import namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import is_floating, narrow, need_floating, widen

__all__ = ["MODES", "resample", "resample_input"]

Array = Any
MODES = ("nearest", "nearest-exact", "linear", "cubic", "lanczos")


# -- which elements make one, and how much of each -----------------------------------------------------------

class Taps(NamedTuple):
    """For each element of a result, the positions and weights of what it is the sum of.

    Where some have fewer than the others, their last positions are 0, with a weight of ``None``.
    """

    positions: tuple[tuple[int, ...] | slice, ...]  # of each tap; a slice where distances are equal
    weights: tuple[tuple[float | None, ...], ...] | None  # None: all are 1


@lru_cache(512)
def taps(length: int, size: int, mode: str, align_corners: bool, scale: float | None,
         antialias: bool) -> Taps:
    """How an axis of `length` elements makes one of `size`; arguments as of `resample`."""
    if mode in ("nearest", "nearest-exact"):
        return Taps((_sliced([_nearest(i, length, size, mode, scale) for i in range(size)]),), None)
    if align_corners:
        step = (length - 1) / (size - 1) if size > 1 else 0.0
    else:
        step = 1 / scale if scale else length / size
    if antialias:
        return _arranged([_averaged(i, length, step, mode) for i in range(size)])
    return _arranged([_between(i, length, step, mode, align_corners) for i in range(size)])


@lru_cache(512)
def spread_taps(length: int, *settings: Any) -> Taps:
    """The way back: what each of `length` elements is part of."""
    positions, weights = taps(length, *settings)
    parts: list[dict[int, float]] = [{} for _ in range(length)]
    for t, along in enumerate(positions):
        for i, source in enumerate(range(length)[along] if isinstance(along, slice) else along):
            weight = 1.0 if weights is None else weights[t][i]
            if weight is not None:
                parts[source][i] = parts[source].get(i, 0.0) + weight
    return _arranged([list(part.items()) for part in parts])


def _arranged(elements: Sequence[Sequence[tuple[int, float]]]) -> Taps:
    most = max(map(len, elements), default=0)
    padded: list[list] = [[*pairs, *[(0, None)] * (most - len(pairs))] for pairs in elements]
    return Taps(tuple(_sliced([pairs[t][0] for pairs in padded]) for t in range(most)),
                tuple(tuple(pairs[t][1] for pairs in padded) for t in range(most)))


def _sliced(positions: list[int]) -> tuple[int, ...] | slice:
    """Positions as a slice where it is one: a view is faster than a look-up."""
    first, step = positions[0], positions[1] - positions[0] if len(positions) > 1 else 1
    if step > 0 and positions == list(range(first, first + step * len(positions), step)):
        return slice(first, positions[-1] + 1, step)
    return tuple(positions)


def _single(value: float) -> float:
    """A number rounded to float32, in which PyTorch finds the nearest element."""
    return struct.unpack("f", struct.pack("f", value))[0]


def _nearest(i: int, length: int, size: int, mode: str, scale: float | None) -> int:
    if mode == "nearest" and size in (length, 2 * length):
        return i * length // size
    step = _single(1 / scale if scale else length / size)
    return min(math.floor(_single((i + 0.5 if mode == "nearest-exact" else i) * step)), length - 1)


def _between(i: int, length: int, step: float, mode: str, align_corners: bool) -> list[tuple[int, float]]:
    """The neighbours of a place between elements, and weights that sum to 1."""
    place = step * i if align_corners else step * (i + 0.5) - 0.5
    if mode == "linear":
        place = max(place, 0.0)
    first = min(math.floor(place), length - 1)
    t = min(max(place - first, 0.0), 1.0)
    if mode == "linear":
        return [(first, 1 - t), (min(first + 1, length - 1), t)]
    return [(min(max(first + j, 0), length - 1), _cubic(j - t, -0.75)) for j in (-1, 0, 1, 2)]


def _cubic(x: float, a: float) -> float:
    """The cubic convolution kernel (Keys 1981)."""
    x = abs(x)
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _averaged(i: int, length: int, step: float, mode: str) -> list[tuple[int, float]]:
    """All elements under a kernel that is as wide as the distance between elements of the result."""
    (reach, kernel), width = KERNELS[mode], max(step, 1.0)
    center = step * (i + 0.5)
    first = max(int(center - reach * width + 0.5), 0)
    last = min(int(center + reach * width + 0.5), length)
    places = [(j - center + 0.5) / width for j in range(first, last)]
    weights = [kernel(x) for x in places]
    total = sum(weights)
    return [(first + j, weight / total if total else weight) for j, weight in enumerate(weights)]


def _lanczos(x: float) -> float:
    """The sinc function in a window of its own first three lobes (Duchon 1979)."""
    def sinc(x: float) -> float:
        return math.sin(math.pi * x) / (math.pi * x) if x else 1.0
    return sinc(x) * sinc(x / 3) if abs(x) < 3 else 0.0


# mode -> how far a kernel reaches, and the kernel
KERNELS: dict[str, tuple[int, Callable[[float], float]]] = {
    "linear": (1, lambda x: max(1 - abs(x), 0.0)), "cubic": (2, lambda x: _cubic(x, -0.5)),
    "lanczos": (3, _lanczos)}


# -- the ops -------------------------------------------------------------------------------------------------

def _check(name: str, shape: Sequence[int], dtype: Any, axis: int, mode: str,
           antialias: bool) -> None:
    if mode not in MODES:
        raise ValueError(f"{name} has the modes {', '.join(MODES)}; got {mode!r}")
    if mode == "lanczos" and not antialias:
        raise ValueError(f"{name} with mode='lanczos' needs antialias=True")
    if not 0 <= axis < len(shape):
        raise ValueError(f"{name} got axis {axis} for an array of shape {tuple(shape)}")
    if not is_floating(dtype) and not mode.startswith("nearest"):
        need_floating(f"{name} with mode={mode!r}", dtype)


def _infer(shapes: Sequence, dtypes: Sequence, *, axis: int, size: int, mode: str, align_corners: bool,
           scale: float | None, antialias: bool) -> tuple:
    shape = tuple(shapes[0])
    _check("resample", shape, dtypes[0], axis, mode, antialias)
    if size < 1 or shape[axis] < 1:
        raise ValueError(f"resample got shape {shape} and size={size} along axis {axis}; both must have "
                         "pixels")
    return (((*shape[:axis], size, *shape[axis + 1:]), dtypes[0]),)


def _infer_input(shapes: Sequence, dtypes: Sequence, *, axis: int, length: int, mode: str,
                 align_corners: bool, scale: float | None, antialias: bool) -> tuple:
    shape = tuple(shapes[0])
    _check("resample_input", shape, dtypes[0], axis, mode, antialias)
    return (((*shape[:axis], length, *shape[axis + 1:]), dtypes[0]),)


@op(infer=_infer, sums=True, saves={})
def resample(x: Array, *, needs: Sequence[bool], axis: int, size: int, mode: str, align_corners: bool,
             scale: float | None, antialias: bool) -> tuple:
    """x with `size` elements along one axis.

    Parameters
    ----------
    x : array
        Of floating-point numbers; nearest elements are taken of any.
    axis : int
        From 0 on.
    mode : {"nearest", "nearest-exact", "linear", "cubic", "lanczos"}
        What an element is made of: of one (the nearest below, or the nearest), of 2, or of 4 neighbours;
        ``"lanczos"`` of 6, with `antialias` only.
    align_corners : bool
        The first and last elements stay where they are; otherwise the outer edges of these do.
    scale : float or None
        How many times larger the axis becomes, where it is not ``size / length`` exactly.
    antialias : bool
        Where the axis becomes smaller, elements are averages of more, weighted by the wider kernel.
    """
    length = x.shape[axis]
    y = _combined(x, axis, taps(length, size, mode, align_corners, scale, antialias))
    settings: dict[str, Any] = {"axis": axis, "mode": mode, "align_corners": align_corners, "scale": scale,
                                "antialias": antialias}
    return y, (lambda dy: (resample_input(dy, length=length, **settings)[0][0],)) if needs[0] else None


@op(infer=_infer_input, sums=True, saves={})
def resample_input(dy: Array, *, needs: Sequence[bool], axis: int, length: int, mode: str,
                   align_corners: bool, scale: float | None, antialias: bool) -> tuple:
    """The input's gradient of `resample`: what each of `length` elements is part of, times its weights."""
    size = dy.shape[axis]
    dx = _combined(dy, axis, spread_taps(length, size, mode, align_corners, scale, antialias))
    settings: dict[str, Any] = {"axis": axis, "mode": mode, "align_corners": align_corners, "scale": scale,
                                "antialias": antialias}
    return dx, (lambda d: (resample(d, size=size, **settings)[0][0],)) if needs[0] else None


def _combined(x: Array, axis: int, found: Taps) -> Array:
    """The weighted sums of the elements of x that `found` names, along an axis."""
    xp, device, column = namespace_of(x), device_of(x), (-1, *(1,) * (x.ndim - axis - 1))
    if found.weights is None:
        y = _picked(x, axis, found.positions[0])
        return xp.asarray(y, copy=True) if isinstance(found.positions[0], slice) else y
    wide, total = widen(x), None
    for positions, weights in zip(found.positions, found.weights):
        part = _picked(wide, axis, positions)
        if any(weight != 1 for weight in weights):
            factors = xp.asarray([weight or 0.0 for weight in weights], dtype=wide.dtype, device=device)
            part = part * xp.reshape(factors, column)
        if None in weights:  # what is not there adds nothing, not even NaN
            is_there = xp.asarray([weight is not None for weight in weights], dtype=xp.bool, device=device)
            part = xp.where(xp.reshape(is_there, column), part, xp.zeros_like(part))
        total = part if total is None else total + part
    if total is x:
        return xp.asarray(x, copy=True)
    return narrow(total, x.dtype)  # type: ignore[arg-type]


def _picked(x: Array, axis: int, positions: tuple[int, ...] | slice) -> Array:
    """The elements at some positions along an axis."""
    if isinstance(positions, slice):
        return x[(*(slice(None),) * axis, positions, ...)]
    xp, shape, count = namespace_of(x), tuple(x.shape), len(positions)
    times = count // shape[axis] if shape[axis] else 0
    if times > 1 and positions == tuple(i // times for i in range(count)):  # each so many times
        stretched = xp.broadcast_to(xp.expand_dims(x, axis=axis + 1),
                                    (*shape[:axis + 1], times, *shape[axis + 1:]))
        return xp.reshape(stretched, (*shape[:axis], count, *shape[axis + 1:]))
    return xp.take(x, xp.asarray(positions, dtype=xp.int32, device=device_of(x)), axis=axis)
