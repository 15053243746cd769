"""Whether code plainly has no effect but its result, so that a replay may leave it out unasked."""

from __future__ import annotations

import builtins
import dis
import functools
import types
from typing import Any

from cnnkit.capturing.users_code import is_cnnkits
from cnnkit.nn import Module

__all__ = ["is_plain"]

STORES = {"STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "DELETE_ATTR", "DELETE_SUBSCR", "DELETE_GLOBAL",
          "IMPORT_NAME", "YIELD_VALUE"}
HARMLESS = {"AssertionError", "RuntimeError", "TypeError", "ValueError", "abs", "all", "any", "bool", "dict",
            "enumerate", "float", "int", "isinstance", "len", "list", "max", "min", "range", "reversed",
            "sorted", "str", "sum", "super", "tuple", "zip"}
CHANGING = {"append", "clear", "debug", "delattr", "discard", "extend", "info", "insert", "log", "pop",
            "popitem", "put", "remove", "send", "setattr", "setdefault", "update", "write"}


def is_plain(*parts: Any) -> bool:
    """Whether modules and functions have code that only computes, as far as can be seen.

    cnnkit's own is plain. A user's ``forward`` or function is, if it sets no attributes, items or globals,
    calls no method such as ``append``, and names nothing outside but plain functions, cnnkit and Python's
    harmless functions.

    >>> from cnnkit import nn
    >>> seen = []
    >>> class Net(nn.Linear):
    ...     def forward(self, x):
    ...         seen.append(len(x))
    ...         return super().forward(x)
    >>> is_plain(nn.Linear(1, 1)), is_plain(Net(1, 1))
    (True, False)
    """
    return all(_part(part, set()) for part in parts)


def _part(part: Any, seen: set[int]) -> bool:
    if id(part) in seen:
        return True
    seen.add(id(part))
    if isinstance(part, Module):
        return all(_module(module, seen) for module in part.modules())
    if isinstance(part, functools.partial):
        return _part(part.func, seen)
    if isinstance(part, types.MethodType):
        return _part(part.__func__, seen)
    if not isinstance(part, types.FunctionType | types.BuiltinFunctionType | type) and callable(part):
        return _part(type(part).__call__, seen)
    return isinstance(part, types.FunctionType) and _function(part, seen)


def _module(module: Module, seen: set[int]) -> bool:
    """Whether a module's ``forward``, and the methods that it may call, are plain."""
    if module._hooks or any(callable(value) and not isinstance(value, Module | type)
                            for value in vars(module).values()):
        return False
    named, waiting = set[str](), ["forward", "__call__"]
    while waiting:
        name = waiting.pop()
        for kind in type(module).__mro__:
            function = vars(kind).get(name)
            inner = (function.fget if isinstance(function, property)
                     else function.__func__ if isinstance(function, staticmethod | classmethod) else function)
            if not isinstance(inner, types.FunctionType) or is_cnnkits(inner.__code__):
                continue
            if not _part(inner, seen):
                return False
            waiting += [n for n in inner.__code__.co_names if n not in named]
            named.update(inner.__code__.co_names)
    return True


def _function(function: types.FunctionType, seen: set[int]) -> bool:
    if is_cnnkits(function.__code__):
        return True
    if not _code(function.__code__):
        return False
    cells = {}
    for cell, name in zip(function.__closure__ or (), function.__code__.co_freevars):
        try:
            cells[name] = cell.cell_contents
        except ValueError:
            return False
    names, known = _globals(function.__code__), function.__globals__
    named, missing = [known[name] for name in names if name in known], names - known.keys()
    return all(name in HARMLESS or not hasattr(builtins, name) for name in missing) and all(
        _value(value, seen) for value in (*named, *cells.values()))


def _value(value: Any, seen: set[int]) -> bool:
    """Whether a value that code names may be used by it."""
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] in ("cnnkit", "math")
    if isinstance(value, type):
        return value.__module__.partition(".")[0] in ("cnnkit", "builtins") or issubclass(value, Module)
    if isinstance(value, types.FunctionType | types.MethodType | functools.partial | Module):
        return _part(value, seen)
    return not callable(value)


def _code(code: types.CodeType) -> bool:
    """Whether a code object stores nothing outside of its own variables."""
    cells = set(code.co_freevars)
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in STORES or (name == "STORE_DEREF" and instruction.argval in cells):
            return False
    return CHANGING.isdisjoint(code.co_names) and all(
        _code(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))


def _globals(code: types.CodeType) -> set[str]:
    """The global names that a code object, and those in it, look up."""
    found = {instruction.argval for instruction in dis.get_instructions(code)
             if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _globals(constant)
    return found
