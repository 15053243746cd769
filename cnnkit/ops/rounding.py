"""Rounding to whole numbers, and the sign: steps, whose derivative is 0 wherever they have one."""

from __future__ import annotations

from typing import Any

from cnnkit.ops.dtypes import is_floating
from cnnkit.ops.unary import elementwise

Array = Any


def _flat(xp: Any, dy: Array) -> Array:
    return xp.zeros_like(dy)


@elementwise(from_dy=_flat, torch="torch.floor")
def floor(xp: Any, x: Array) -> Array:
    """The largest whole number that is not above x."""
    return xp.floor(x)


@elementwise(from_dy=_flat, torch="torch.ceil")
def ceil(xp: Any, x: Array) -> Array:
    """The smallest whole number that is not below x."""
    return xp.ceil(x)


@elementwise(from_dy=_flat, torch="torch.trunc")
def trunc(xp: Any, x: Array) -> Array:
    """The whole part of x, toward 0."""
    return xp.trunc(x)


@elementwise(from_dy=_flat, torch="torch.round")
def round(xp: Any, x: Array) -> Array:
    """The nearest whole number; of two, the even one."""
    return xp.round(x)


@elementwise(from_dy=_flat, integers=True, torch="torch.sign")
def sign(xp: Any, x: Array) -> Array:
    """-1, 0 or 1; 0 for NaN, as in PyTorch."""
    s = xp.sign(x)
    return xp.where(xp.isnan(s), xp.zeros_like(s), s) if is_floating(x.dtype) else s
