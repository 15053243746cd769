"""What ctypes must know of the C++ functions, read from their one declaration, ``src/interface.h``.

The compiler holds every definition to that file, so Python and C++ cannot disagree on a function. An integer
that does not fit its parameter never reaches C++: see `cnnkit.backends.c_integers`.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any

from cnnkit.backends.c_integers import Argument

INTEGERS = {"int": ctypes.c_int, "long": ctypes.c_long, "uint32_t": ctypes.c_uint32,
            "int64_t": ctypes.c_int64}
TYPES: dict[str, Any] = {"void": None, "float": ctypes.c_float, "double": ctypes.c_double} | INTEGERS
ELEMENTS = {"float", "double", "uint8_t", "uint32_t", "int64_t"}  # of arrays; int and long are of sizes
DECLARATION = re.compile(r"^EXPORT ([^();]+?)(\w+)\(([^();]*)\);", re.MULTILINE)


def signatures(text: str) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Each function's name, the type of its result, and those of its arguments by their names.

    Pointers are addresses.

    Raises
    ------
    ValueError
        If a declaration has another form, or a type that is not in `TYPES`.

    >>> signatures("EXPORT long room(const Shape* shape, int threads);")["room"][1]
    {'shape': <class 'ctypes.c_void_p'>, 'threads': <class 'ctypes.c_int'>}
    """
    found = {}
    for result, name, arguments in DECLARATION.findall(text):
        types = dict(_argument(a, name) for a in arguments.split(",") if a)
        found[name] = _result(result.strip(), name), types
    count = len(re.findall(r"^EXPORT\b", text, re.MULTILINE))
    if count != len(found):
        raise ValueError(f"src/interface.h begins {count} lines with EXPORT, of which {len(found)} declare "
                         "a function for the first time, as `EXPORT result name(type argument, ...);`")
    return found


def roles(text: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """What each function's arguments are: their names, and how `cnnkit.backends.native.Argument` calls them.

    Pointers to numbers in an array's memory are read or written, and so are tables of them. All other
    pointers are to objects of the host, which are kept.

    >>> roles("EXPORT void add(int threads, const Shape* shape, const float* x, float* y);")["add"]
    (('threads', 'number'), ('shape', 'held'), ('x', 'read'), ('y', 'write'))
    """
    return {name: tuple((argument.strip().rpartition(" ")[2], _role(argument.strip().rpartition(" ")[0]))
                        for argument in arguments.split(",") if argument)
            for _, name, arguments in DECLARATION.findall(text)}


def _role(declared: str) -> str:
    if not declared.endswith("*"):
        return "number"
    if declared.count("*") > 1:
        return "reads" if declared.startswith("const ") else "writes"
    pointed = declared.removeprefix("const ").rstrip("*")
    if pointed not in ELEMENTS:
        return "held"
    return "read" if declared.startswith("const ") else "write"


def converters(function: str, arguments: dict[str, Any]) -> tuple:
    """The ``argtypes`` of a function: its arguments' types, those of integers with a check of their range.

    >>> converters("room", {"shape": ctypes.c_void_p, "threads": ctypes.c_int})[1].label
    'room: threads'
    """
    return tuple(Argument(t, f"{function}: {name}") if t in INTEGERS.values() else t
                 for name, t in arguments.items())


def _result(declared: str, function: str) -> Any:
    return ctypes.c_char_p if declared == "const char*" else _type(declared, function)


def _argument(declared: str, function: str) -> tuple[str, Any]:
    declared_type, _, name = declared.strip().rpartition(" ")
    return name, _type(declared_type, function)


def _type(declared: str, function: str) -> Any:
    if declared.endswith("*"):
        return ctypes.c_void_p
    if declared not in TYPES:
        raise ValueError(f"src/interface.h: {function} has the type {declared!r}; there are pointers, "
                         f"{', '.join(TYPES)}")
    return TYPES[declared]
