"""Python's integers as C's: what does not fit is refused, where ctypes would cut its upper bits off.

Every plug-in that calls C or CUDA hands its integers over by what is here: single arguments by `Argument`,
arrays by `array_of`, the fields of structures by `Structure`, and what it packs itself by `fitting`.
"""

from __future__ import annotations

import ctypes
import functools
import operator
import struct
from typing import Any

__all__ = ["Argument", "Structure", "array_of", "fitting", "limits"]

REMEMBERED = 256  # values of one argument


def fitting(label: str, number: Any, lowest: int, highest: int) -> int:
    """The number, if it is a whole one from `lowest` to `highest`; errors begin with `label`.

    Raises
    ------
    TypeError
        If it is no whole number: a float, text, None.
    OverflowError
        If it is outside of the range.

    >>> fitting("threads", 2, 0, 1024)
    2
    >>> fitting("threads", 2**32, 0, 1024)
    Traceback (most recent call last):
        ...
    OverflowError: threads must be from 0 to 1024; got 4294967296
    """
    try:
        whole = operator.index(number)
    except TypeError:
        raise TypeError(f"{label} must be a whole number; got {number!r}") from None
    if not lowest <= whole <= highest:
        raise OverflowError(f"{label} must be from {lowest} to {highest}; got {whole}")
    return whole


@functools.cache
def limits(c_type: Any) -> tuple[int, int]:
    """The least and the greatest number of one of ctypes' integer types.

    >>> limits(ctypes.c_int32), limits(ctypes.c_uint8)
    ((-2147483648, 2147483647), (0, 255))
    """
    bits = 8 * ctypes.sizeof(c_type)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if c_type(-1).value < 0 else (0, (1 << bits) - 1)


class Argument:
    """One integer parameter of a C function, for the function's ``argtypes``.

    ctypes reports a refused value as its `ctypes.ArgumentError`, with the message of `fitting` in it. Values
    that were checked are remembered, so that a training step, whose sizes repeat, costs one look into a table
    for each: less than ctypes' own conversion takes. (A float that equals a remembered value is that value.)

    Parameters
    ----------
    c_type
        One of ctypes' integer types.
    label : str
        What errors call it: the function and the parameter.

    >>> Argument(ctypes.c_int32, "room: threads").from_param(2)
    c_int(2)
    >>> Argument(ctypes.c_int32, "room: threads").from_param(2**31)
    Traceback (most recent call last):
        ...
    OverflowError: room: threads must be from -2147483648 to 2147483647; got 2147483648
    """

    __slots__ = ("c_type", "from_param", "label")
    c_type: Any
    label: str
    from_param: Any

    def __init__(self, c_type: Any, label: str):
        self.c_type, self.label = c_type, label
        self.from_param = _Checked(c_type, label).__getitem__  # a C function: no frame of Python


class _Checked(dict):
    """The values of an argument that were checked, as C's; one that is missing is checked now."""

    __slots__ = ("c_type", "label")

    def __init__(self, c_type: Any, label: str):
        super().__init__()
        self.c_type, self.label = c_type, label

    def __missing__(self, number: Any) -> Any:
        value = self.c_type(fitting(self.label, number, *limits(self.c_type)))
        if len(self) >= REMEMBERED:
            self.clear()
        self[number] = value
        return value


@functools.cache
def _packer(c_type: Any, count: int) -> Any:
    return struct.Struct(f"{count}{c_type._type_}").pack


def array_of(c_type: Any, label: str, *numbers: int) -> bytes:
    """A C array that nobody can change, of one of ctypes' integer types; errors as of `fitting`.

    ctypes takes it where a pointer is declared.

    >>> array_of(ctypes.c_uint8, "bytes", 1, 255)
    b'\\x01\\xff'
    >>> array_of(ctypes.c_uint8, "bytes", 1, 256)
    Traceback (most recent call last):
        ...
    OverflowError: bytes: number 1 must be from 0 to 255; got 256
    """
    try:
        return _packer(c_type, len(numbers))(*numbers)
    except struct.error:
        for n, number in enumerate(numbers):
            fitting(f"{label}: number {n}", number, *limits(c_type))
        raise


class Structure(ctypes.Structure):
    """A `ctypes.Structure` whose integers, and arrays of integers, are checked when they are set.

    >>> class Size(Structure):
    ...     _fields_ = (("rank", ctypes.c_int8), ("sides", ctypes.c_uint16 * 2))
    >>> Size(2, (640, 480)).sides[0]
    640
    >>> Size(2, (640, -1))
    Traceback (most recent call last):
        ...
    OverflowError: Size.sides: number 1 must be from 0 to 65535; got -1
    """

    def __setattr__(self, name: str, value: Any) -> None:
        c_type = dict(self._fields_).get(name)  # type: ignore[arg-type]
        label = f"{type(self).__name__}.{name}"
        if _is_integer(c_type):
            value = fitting(label, value, *limits(c_type))
        elif isinstance(value, tuple) and _is_integer(getattr(c_type, "_type_", None)):
            array_of(c_type._type_, label, *value)  # type: ignore[union-attr]
        super().__setattr__(name, value)


def _is_integer(c_type: Any) -> bool:
    return (isinstance(c_type, type) and issubclass(c_type, ctypes._SimpleCData)
            and getattr(c_type, "_type_", "") in tuple("bBhHiIlLqQ"))
