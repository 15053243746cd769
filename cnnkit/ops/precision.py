"""Which dtypes an op takes, and float32 as the accumulator of the 16-bit ones."""

from __future__ import annotations

import functools
from typing import Any

from cnnkit.backends import dtype_name, namespace_of

__all__ = ["is_floating", "is_integer", "need_floating", "widen"]

Array = Any


# typed: some libraries' dtypes have equal hashes and warn when they are compared
@functools.lru_cache(typed=True)
def is_floating(dtype: Any) -> bool:
    """Whether a library's dtype is a real floating-point one (0.1 us: infer asks at every call)."""
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
    """float16 and bfloat16 as float32, in which sums over them are accumulated; every other dtype as it
    is.
    """
    if not _is_narrow(x.dtype):
        return x
    xp = namespace_of(x)
    return xp.astype(x, xp.float32)
