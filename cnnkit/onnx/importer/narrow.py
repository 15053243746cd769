"""ONNX's narrow dtypes: float32 and bytes hold their numbers, and are computed in; Cast rounds to them.

bfloat16, 8 bits and the float of 4 bits are held as float32, whole numbers of 4 and 2 bits as int8 or uint8.
All are exact.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

import cnnkit.autograd.functions as T
from cnnkit.autograd import Function, Tensor, tensor

__all__ = ["NARROW", "Narrow", "cast", "decoded"]


@dataclass(frozen=True)
class Narrow:
    """A dtype of at most 16 bits.

    Attributes
    ----------
    name : str
        As ml_dtypes has it.
    held : {"float32", "int8", "uint8"}
        The dtype that holds its numbers.
    exponent, mantissa : int
        So many bits of a float; of a whole number all are mantissa.
    bias : int
        What is taken from the exponent.
    special : {"", "inf", "nan", "one zero"}
        What codes stand for no finite number: those of the largest exponent, for infinity and NaN; the last
        one, for NaN; that of -0, for NaN.
    signed : bool
    """

    name: str
    held: str
    exponent: int
    mantissa: int
    bias: int = 0
    special: str = ""
    signed: bool = True

    @property
    def bits(self) -> int:
        """How many a number has."""
        return self.exponent + self.mantissa + self.signed

    @functools.cached_property
    def values(self) -> np.ndarray:
        """The number of each code, (2^bits,)."""
        codes = np.arange(2 ** self.bits)
        if not self.exponent:
            half = 2 ** (self.bits - 1)
            return ((codes + half) % (2 * half) - half if self.signed else codes).astype(self.held)
        rest = codes % 2 ** (self.exponent + self.mantissa)
        exponent, fraction = rest >> self.mantissa, rest % 2**self.mantissa / 2**self.mantissa
        # without a sign there are no numbers below the normal ones, and no 0
        small = (exponent == 0) & self.signed
        numbers = np.where(small, fraction, 1 + fraction) * 2.0 ** (np.maximum(exponent, small) - self.bias)
        largest = 2**self.exponent - 1
        if self.special == "inf":
            numbers[exponent == largest] = np.where(fraction == 0, np.inf, np.nan)[exponent == largest]
        elif self.special == "nan":
            numbers[rest == rest.max()] = np.nan
        numbers = np.where(codes > rest, -numbers, numbers)
        if self.special == "one zero":
            numbers[codes.size // 2] = np.nan
        return numbers.astype(np.float32)

    @functools.cached_property
    def finite(self) -> np.ndarray:
        """The finite numbers that are not negative, from the smallest to the largest."""
        positive = self.values[:self.values.size // 2] if self.signed else self.values
        return positive[np.isfinite(positive)]

    @functools.cache  # noqa: B019 - there are few of them, for good
    def steps(self, round_mode: str) -> np.ndarray:
        """From which number on each of the finite ones but the first is taken, and what is beyond them all.

        To the nearest, and to the even one of two that are as near; without a sign `round_mode` says how.
        """
        low = self.finite.astype(np.float64)
        last = 2 * low[-1] if not self.mantissa else 2 * low[-1] - low[-2]
        high = np.append(low[1:], last)
        middle = ((low + high) / 2).astype(np.float32)
        if self.signed:
            even = np.arange(1, middle.size + 1) % 2 == 0
            return np.where(even, middle, np.nextafter(middle, np.float32(np.inf)))
        if round_mode == "nearest":
            return middle
        with np.errstate(over="ignore"):
            return (np.nextafter(low.astype(np.float32), np.float32(np.inf)) if round_mode == "up"
                    else high.astype(np.float32))


def _float(name: str, exponent: int, mantissa: int, special: str, **more: Any) -> Narrow:
    bias = 2 ** (exponent - 1) - (special != "one zero")
    return Narrow(name, "float32", exponent, mantissa, bias, special, **more)


NARROW = {  # TensorProto.DataType -> the dtype
    16: _float("bfloat16", 8, 7, "inf"),
    17: _float("float8_e4m3fn", 4, 3, "nan"), 18: _float("float8_e4m3fnuz", 4, 3, "one zero"),
    19: _float("float8_e5m2", 5, 2, "inf"), 20: _float("float8_e5m2fnuz", 5, 2, "one zero"),
    21: Narrow("uint4", "uint8", 0, 4, signed=False), 22: Narrow("int4", "int8", 0, 3),
    23: _float("float4_e2m1fn", 2, 1, ""), 24: _float("float8_e8m0fnu", 8, 0, "nan", signed=False),
    25: Narrow("uint2", "uint8", 0, 2, signed=False), 26: Narrow("int2", "int8", 0, 1),
}


def decoded(data: np.ndarray, kind: Narrow, count: int) -> np.ndarray:
    """The first `count` numbers of bytes, the lowest bits first; or of pairs of bytes, for 16 bits."""
    if kind.bits < 8:
        shifts = np.arange(0, 8, kind.bits, dtype=np.uint8)
        data = (data[:, None] >> shifts & np.uint8(2**kind.bits - 1)).reshape(-1)[:count]
    return kind.values[data]


def cast(x: Tensor, kind: Narrow, saturate: bool = True, round_mode: str = "up") -> Tensor:
    """The numbers of a narrow dtype that the elements become, in the dtype that holds them.

    Floats get the nearest, and their gradient is passed on as it is. Whole numbers lose their higher bits.

    Parameters
    ----------
    saturate : bool
        What is too large for 8 bits becomes the largest number, not infinity or NaN.
    round_mode : {"up", "down", "nearest"}
        Of ``float8_e8m0fnu``, the powers of 2.

    >>> from cnnkit import tensor
    >>> cast(tensor([0.3, -1000.0]), NARROW[17]).tolist(), cast(tensor([7, 8]), NARROW[22]).tolist()
    ([0.3125, -448.0], [7, -8])
    """
    if kind.exponent:
        if round_mode not in ("up", "down", "nearest"):
            raise ValueError(f"round_mode is 'up', 'down' or 'nearest'; got {round_mode!r}")
        return _Round.apply(x.to(dtype="float32"), kind, saturate, round_mode)
    size = 2**kind.bits
    y = T.remainder(x.detach().to(dtype="int64"), size)
    return (T.where(y >= size // 2, y - size, y) if kind.signed else y).to(dtype=kind.held)


class _Round(Function):
    """The nearest numbers of a float's dtype."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kind: Narrow, saturate: bool, round_mode: str) -> Tensor:
        beyond = kind.finite[-1] if not kind.special or (saturate and kind.bits == 8) else (
            np.inf if kind.special == "inf" else np.nan)
        steps = tensor(kind.steps(round_mode), device=x.device)
        numbers = tensor(np.append(kind.finite, np.float32(beyond)), device=x.device)
        y = T.take(numbers, T.searchsorted(steps, T.abs(x), right=True))
        if kind.signed:
            y = T.copysign(y, x)
        else:
            y = T.where((x < 0) | (x == 0) if not saturate else x < 0, np.nan, y)
        if kind.special == "one zero":
            y = T.where(y == 0, 0.0, y)
        return T.where(T.isnan(x), np.nan if kind.special else 0.0, y)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple:
        return dy, None, None, None
