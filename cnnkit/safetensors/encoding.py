"""The dtypes of safetensors files, and the bits of their numbers.

NumPy has neither bfloat16 nor 8-bit floating point: their numbers are read as float32, which holds all of
them exactly, whether or not ml_dtypes is installed, so that a program gives the same everywhere.
"""

from __future__ import annotations

import numpy as np

from cnnkit import backends
from cnnkit.autograd import Tensor

__all__ = ["CODES", "DTYPES", "decode", "encode"]

# the format's name of each dtype, and the numbers that NumPy reads: bits, where it has no such dtype
CODES = {"bool": ("BOOL", "?"), "uint8": ("U8", "u1"), "int8": ("I8", "i1"), "uint16": ("U16", "<u2"),
         "int16": ("I16", "<i2"), "uint32": ("U32", "<u4"), "int32": ("I32", "<i4"), "uint64": ("U64", "<u8"),
         "int64": ("I64", "<i8"), "float16": ("F16", "<f2"), "float32": ("F32", "<f4"),
         "float64": ("F64", "<f8"), "complex64": ("C64", "<c8"), "bfloat16": ("BF16", "<u2"),
         "float8_e4m3fn": ("F8_E4M3", "u1"), "float8_e5m2": ("F8_E5M2", "u1")}
DTYPES = {code: name for name, (code, _) in CODES.items()}


def encode(name: str, value: Tensor) -> np.ndarray:
    """A Tensor's numbers as `CODES` says."""
    dtype = backends.dtype_name(value.dtype)
    if dtype not in CODES:
        raise TypeError(f"a safetensors file cannot hold {name!r}, which is {dtype}; it holds "
                        f"{', '.join(CODES)}. Convert it with .to(dtype=...)")
    array = value.numpy()
    if dtype == "bfloat16":
        return (np.asarray(array, np.float32).view(np.uint32) >> 16).astype("<u2")
    if dtype == "float8_e5m2":
        return (np.asarray(array, np.float16).view(np.uint16) >> 8).astype("u1")
    if dtype == "float8_e4m3fn":
        array = np.asarray(array, np.float32)
        magnitude = np.searchsorted(_e4m3()[:127], np.abs(array)).astype("u1")  # NaN: behind the last
        return magnitude | (np.signbit(array).astype("u1") << 7)
    return np.asarray(array, CODES[dtype][1])


def decode(dtype: str, bits: np.ndarray) -> np.ndarray:
    """The numbers of a file; float32 where NumPy has no such dtype."""
    if dtype == "bfloat16":  # the upper half of a float32
        return (bits.astype(np.uint32) << 16).view(np.float32)
    if dtype == "float8_e5m2":  # the upper half of a float16
        return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if dtype == "float8_e4m3fn":
        return _e4m3()[bits]
    return bits.astype(bits.dtype.newbyteorder("="), copy=False)


def _e4m3() -> np.ndarray:
    """The number of each of the 256 codes of 1 bit of sign, 4 of exponent, 3 of mantissa.

    There are no infinities, and one NaN of each sign (Micikevicius et al., "FP8 formats for deep learning",
    2022).
    """
    code = np.arange(128)
    exponent, mantissa = code >> 3, code & 7
    numbers = np.where(exponent > 0, np.ldexp(8.0 + mantissa, exponent - 10), np.ldexp(1.0 * mantissa, -9))
    numbers[-1] = np.nan
    return np.concatenate([numbers, -numbers]).astype(np.float32)
