"""What ctypes must know of the C++ functions, read from their one declaration, ``src/interface.h``.

The compiler holds every definition to that file, so Python and C++ cannot disagree on a function.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

TYPES: dict[str, Any] = {"void": None, "int": ctypes.c_int, "long": ctypes.c_long, "float": ctypes.c_float,
                         "double": ctypes.c_double, "uint32_t": ctypes.c_uint32, "int64_t": ctypes.c_int64}
DECLARATION = re.compile(r"^EXPORT ([^();]+?)(\w+)\(([^();]*)\);", re.MULTILINE)


def signatures(text: str) -> dict[str, tuple[Any, tuple]]:
    """Each function's name, the type of its result, and those of its arguments; pointers are addresses.

    Raises
    ------
    ValueError
        If a declaration has another form, or a type that is not in `TYPES`.

    >>> signatures("EXPORT long room(const Shape* shape, int threads);")["room"][1]
    (<class 'ctypes.c_void_p'>, <class 'ctypes.c_int'>)
    """
    found = {}
    for result, name, arguments in DECLARATION.findall(text):
        types = tuple(_argument(a, name) for a in arguments.split(",") if a)
        found[name] = _result(result.strip(), name), types
    count = len(re.findall(r"^EXPORT\b", text, re.MULTILINE))
    if count != len(found):
        raise ValueError(f"src/interface.h begins {count} lines with EXPORT, of which {len(found)} declare "
                         "a function for the first time, as `EXPORT result name(type argument, ...);`")
    return found


def _result(declared: str, function: str) -> Any:
    return ctypes.c_char_p if declared == "const char*" else _type(declared, function)


def _argument(declared: str, function: str) -> Any:
    declared_type, _, _ = declared.strip().rpartition(" ")
    return _type(declared_type, function)


def _type(declared: str, function: str) -> Any:
    if declared.endswith("*"):
        return ctypes.c_void_p
    if declared not in TYPES:
        raise ValueError(f"src/interface.h: {function} has the type {declared!r}; there are pointers, "
                         f"{', '.join(TYPES)}")
    return TYPES[declared]
