"""Interpolation along one axis; see ``src/resampling``."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit.backends.c_integers import array_of
from cnnkit.ops import resampling as ops
from cnnkit.ops.resampling import Taps, spread_taps, taps
from cnnkit_cpu import library
from cnnkit_cpu.layout import empty_channels_last, is_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed

Rows = tuple[bytes, bytes, bytes | None]  # begin, place and weight of resample_rows, as C arrays


def resample(x: np.ndarray, *, needs: Sequence[bool], axis: int, size: int, **settings: Any) -> tuple:
    """The op of the same name."""
    if x.dtype != FLOAT or 0 in x.shape or max(x.shape) >= 2**31:
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 arrays that are not empty")
    length = x.shape[axis]
    y = _combined(x, axis, size, _forward(length, size, *_of(settings)))
    return y, ((lambda dy: (ops.resample_input(dy, axis=axis, length=length, **settings)[0][0],))
               if needs[0] else None)


def resample_input(dy: np.ndarray, *, needs: Sequence[bool], axis: int, length: int,
                   **settings: Any) -> tuple:
    """The op of the same name."""
    if dy.dtype != FLOAT or 0 in dy.shape or length < 1 or max(*dy.shape, length) >= 2**31:
        return decline(f"{dy.dtype} of shape {dy.shape}; it serves float32 arrays that are not empty")
    size = dy.shape[axis]
    dx = _combined(dy, axis, length, _backward(length, size, *_of(settings)))
    return dx, ((lambda d: (ops.resample(d, axis=axis, size=size, **settings)[0][0],))
                if needs[0] else None)


def _of(settings: dict[str, Any]) -> tuple:
    return tuple(settings[name] for name in ("mode", "align_corners", "scale", "antialias"))


@lru_cache(512)
def _forward(length: int, *settings: Any) -> Rows:
    return _rows(taps(length, *settings), length)


@lru_cache(512)
def _backward(length: int, size: int, *settings: Any) -> Rows:
    return _rows(spread_taps(length, size, *settings), size)


def _rows(found: Taps, length: int) -> Rows:
    """The taps as rows of numbers."""
    positions = [range(length)[along] if isinstance(along, slice) else along for along in found.positions]
    begin, place, weight = [0], [], []
    for i in range(len(positions[0]) if positions else 0):
        for t, along in enumerate(positions):
            factor = 1.0 if found.weights is None else found.weights[t][i]
            if factor is not None:
                place.append(along[i])
                weight.append(factor)
        begin.append(len(place))
    weights = None if found.weights is None else np.asarray(weight, FLOAT).tobytes()
    return array_of(ctypes.c_int, "begin", *begin), array_of(ctypes.c_int, "place", *place), weights


def _combined(x: np.ndarray, axis: int, size: int, rows: Rows) -> np.ndarray:
    if len(rows[0]) <= size * ctypes.sizeof(ctypes.c_int):  # there is nothing that any element is part of
        return np.zeros((*x.shape[:axis], size, *x.shape[axis + 1:]), FLOAT)
    shape = (*x.shape[:axis], size, *x.shape[axis + 1:])
    last = is_channels_last(x) and axis > 1
    memory = x.transpose(0, *range(2, x.ndim), 1) if last else packed(x)
    place = axis - 1 if last else axis
    y = empty_channels_last(shape) if last else empty(shape)
    before, after = math.prod(memory.shape[:place]), math.prod(memory.shape[place + 1:])
    begin, positions, weights = rows
    library.active.resample_rows(library.threads, before, x.shape[axis], size, after, begin, positions,
                                 weights, address(memory), address(y))
    return y
