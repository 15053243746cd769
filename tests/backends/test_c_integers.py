"""Integers that C does not hold are refused, with what is wrong named, and no other way leads to C."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest

from cnnkit.backends import c_integers
from cnnkit.backends.c_integers import Argument, Structure, array_of, limits

TYPES = [ctypes.c_int8, ctypes.c_uint8, ctypes.c_short, ctypes.c_int, ctypes.c_uint, ctypes.c_long,
         ctypes.c_int64, ctypes.c_uint64, ctypes.c_size_t]


class Launch(Structure):
    _fields_ = (("kernel", ctypes.c_int), ("grid", ctypes.c_uint * 3), ("scale", ctypes.c_float),
                ("data", ctypes.c_void_p), ("name", ctypes.c_char_p))


@pytest.mark.parametrize("c_type", TYPES)
def test_the_limits_are_the_first_numbers_that_come_back_changed_from_ctypes(c_type):
    low, high = limits(c_type)
    assert [c_type(n).value == n for n in (low - 1, low, high, high + 1)] == [False, True, True, False]


@pytest.mark.parametrize("c_type", TYPES)
def test_an_array_holds_the_limits_and_refuses_what_lies_beyond(c_type):
    low, high = limits(c_type)
    expected = bytes((c_type * 4)(low, high, 0, 1))
    assert array_of(c_type, "sizes", low, high, np.int64(0), True) == expected
    for wrong in (low - 1, high + 1):
        with pytest.raises(OverflowError, match=f"^sizes: number 2 must be from {low} to {high}; got"):
            array_of(c_type, "sizes", 0, 1, wrong)
    with pytest.raises(TypeError, match=r"^sizes: number 0 must be a whole number; got 1\.0$"):
        array_of(c_type, "sizes", 1.0)


def test_an_argument_is_remembered_only_when_it_fits(monkeypatch):
    monkeypatch.setattr(c_integers, "REMEMBERED", 3)
    take = Argument(ctypes.c_uint8, "f: n").from_param
    for _ in range(2):
        assert [take(n).value for n in range(256)] == list(range(256))
        for wrong in (-1, 256, 2**64 + 1):
            with pytest.raises(OverflowError, match=f"^f: n must be from 0 to 255; got {wrong}$"):
                take(wrong)
        for wrong in (1.5, "1", None):
            with pytest.raises(TypeError, match=f"^f: n must be a whole number; got {wrong!r}$"):
                take(wrong)
    assert len(take.__self__) <= 3


def test_the_fields_of_a_structure_are_checked():
    launch = Launch(-1, (1, 2, 2**32 - 1), 1.5, None, b"x")
    assert (launch.kernel, list(launch.grid), launch.scale, launch.name) == (-1, [1, 2, 2**32 - 1], 1.5, b"x")
    for field, wrong, says in (("kernel", 2**31, "Launch.kernel"),
                               ("grid", (1, 1, 2**32), "Launch.grid: number 2")):
        with pytest.raises(OverflowError, match=rf"^{says} must be from .* to .*; got \d+$"):
            setattr(launch, field, wrong)
    with pytest.raises(OverflowError, match=r"Launch\.grid: number 0"):
        Launch(0, (-1, 1, 1))


# integers' types as arrays or structures made by ctypes itself, which would not check what it puts into them
BESIDE = re.compile(r"\(ctypes\.c_(?:u?int|u?int\d+|u?long|size_t|u?short)\b[^()]*\)\(|\(ctypes\.Structure\)")


def test_no_integer_goes_to_c_another_way():
    plugins = sorted(Path(__file__).parents[2].glob("backends/cnnkit_*"))
    assert len(plugins) > 5
    found = {f"{path.parent.name}/{path.name}: {line.strip()}" for plugin in plugins
             for path in plugin.rglob("*.py") for line in path.read_text().splitlines()
             if BESIDE.search(line)}
    assert found == {"cnnkit_cpu/replay.py: return (ctypes.c_int64 * count)()",  # get addresses alone
                     "cnnkit_cupy/replay.py: return (ctypes.c_int64 * count)()",
                     "cnnkit_cpu/update.py: self.first = (ctypes.c_uint8 * count)()",  # gets bools alone
                     "cnnkit_emulator/device.py: row, sites = (ctypes.c_uint64 * 8)(), []"}  # C++ fills it
