"""Which dtypes an op takes, and the widening of 16-bit ones to float32 for accumulation."""

from __future__ import annotations

import functools
from typing import Any

from cnnkit.backends import dtype_name, namespace_of

__all__ = ["is_floating", "is_integer", "need_floating", "widen"]

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
def _is_narrow(dtype: Any) -> bool:
    return dtype_name(dtype) in ("float16", "bfloat16")


def need_floating(name: str, dtype: Any) -> None:
    """Raise a TypeError that names the op and the fix where `dtype` is not floating-point."""
    if not is_floating(dtype):
        raise TypeError(f"{name} needs floating-point numbers; got {dtype_name(dtype)}. "
                        "Convert with .to(dtype='float32')")


def widen(x: Array) -> Array:
    """float16 and bfloat16 as float32, to accumulate sums in; every other dtype unchanged."""
    if not _is_narrow(x.dtype):
        return x
    xp = namespace_of(x)
    return xp.astype(x, xp.float32)
