"""Which dtypes an op takes, and the rule for 16-bit ones: sums run in float32 and are rounded once.

float16 and bfloat16 hold 11 and 8 digits of a number: in float16, 2048 + 1 is 2048. So whatever adds up many
of their numbers (a sum, a mean, the gradient of a broadcast, an optimizer's average) does it in float32, on
every backend, and rounds the result alone. `wide_sum` and `wide_mean` are the sums of generic ops; kernels
keep to the same rule, and `cnnkit.ops.update` does so for optimizers.
"""

from __future__ import annotations

import functools
from typing import Any

from cnnkit.backends import dtype_name, namespace_of

__all__ = ["is_floating", "is_integer", "is_narrow", "narrow", "need_floating", "wide_mean", "wide_sum",
           "widen"]

Array = Any


# typed, because some libraries' dtypes have equal hashes and warn when they are compared
@functools.lru_cache(typed=True)
def is_floating(dtype: Any) -> bool:
    """Whether a library's dtype is a real floating-point one (0.1 us: `infer` calls it at every op)."""
    return "float" in dtype_name(dtype)


@functools.lru_cache(typed=True)
def is_integer(dtype: Any) -> bool:
    """Whether a library's dtype is a signed or unsigned integer."""
    return "int" in dtype_name(dtype)


@functools.lru_cache(typed=True)
def is_narrow(dtype: Any) -> bool:
    """Whether a library's dtype is float16 or bfloat16."""
    return dtype_name(dtype) in ("float16", "bfloat16")


def need_floating(name: str, dtype: Any) -> None:
    """Raise a TypeError that names the op and the fix where `dtype` is not floating-point."""
    if not is_floating(dtype):
        raise TypeError(f"{name} needs floating-point numbers; got {dtype_name(dtype)}. "
                        "Convert with .to(dtype='float32')")


def widen(x: Array) -> Array:
    """float16 and bfloat16 as float32, to accumulate sums in; every other dtype unchanged."""
    if not is_narrow(x.dtype):
        return x
    xp = namespace_of(x)
    return xp.astype(x, xp.float32)


def narrow(x: Array, dtype: Any) -> Array:
    """What was accumulated, as an array of the dtype that the result has."""
    if x.dtype == dtype:
        return x
    xp = namespace_of(x)
    return xp.astype(xp.asarray(x), dtype, copy=False)  # NumPy's sums may be scalars, which `astype` refuses


def wide_sum(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """The sum over `axis`, added up in float32 where x has 16 bits, and left in it: `narrow` rounds it."""
    xp = namespace_of(x)
    return xp.sum(x, axis=axis, keepdims=keepdims, dtype=xp.float32 if is_narrow(x.dtype) else None)


def wide_mean(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """The mean over `axis`; see `wide_sum`."""
    return namespace_of(x).mean(widen(x), axis=axis, keepdims=keepdims)
