"""Settings as text that is the same in every process: numbers, callables, modules, arrays, objects."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterable, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import DTYPES, backend_of, dtype_name
from cnnkit.foreign import has_shape, is_array, plain
from cnnkit.nn import Module, Parameter
from cnnkit.optim import Optimizer

__all__ = ["checksum", "code_of", "describe", "settings_of"]

LONGEST = 160  # characters; of a longer text, its beginning and a checksum
MOST = 1000  # of a longer list, so many items, evenly spaced
DEEPEST = 4  # objects inside objects whose settings are described
OF_RUNS = frozenset({"training", "input_format"})  # a module's attributes that a run sets


def describe(value: Any, depth: int = 0) -> str:
    """A setting as text: two settings have the same text if they mean the same.

    Callables and objects are described by their class or qualified name, and by their public attributes; of
    arrays there are dtype, shape and a checksum.

    >>> from cnnkit import functional as F, nn
    >>> describe(nn.Dropout(0.25)), describe(functools.partial(F.cross_entropy, label_smoothing=0.1))
    ('Dropout(inplace=False, p=0.25)', 'cross_entropy(label_smoothing=0.1)')
    """
    value = plain(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return repr(int(value))  # lr=1 and lr=1.0 are the same
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return _shortened(repr(value))
    if isinstance(value, Parameter):
        return f"a parameter {tuple(value.shape)}"
    if isinstance(value, Tensor):
        return f"{value.dtype} {tuple(value.shape)} {checksum([value])}"
    if is_array(value) and has_shape(value):
        if dtype_name(value.dtype) in DTYPES:
            return describe(Tensor(value))
        return f"{_name(type(value))} {tuple(value.shape)}"
    if isinstance(value, type | BuiltinFunctionType | Optimizer):
        return _name(value)
    if depth > DEEPEST:
        return _name(type(value))
    if isinstance(value, FunctionType):
        held = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), *_closure(value)]
        return _shortened(f"{_name(value)}{describe(held, depth + 1) if held and not _ours(value) else ''}")
    if isinstance(value, list | tuple):
        some = value[::max(1, len(value) // MOST)]
        more = "" if len(some) == len(value) else f" of {len(value)}"
        return _shortened(f"[{', '.join(describe(item, depth + 1) for item in some)}]{more}")
    if isinstance(value, set | frozenset):
        return _shortened(f"{{{', '.join(sorted(describe(item, depth + 1) for item in value))}}}")
    if isinstance(value, Mapping):
        items = sorted((describe(key, depth + 1), describe(item, depth + 1)) for key, item in value.items())
        return _shortened(f"{{{', '.join(f'{key}: {item}' for key, item in items)}}}")
    if isinstance(value, functools.partial):
        settings = [describe(item, depth + 1) for item in value.args]
        settings += [f"{name}={describe(item, depth + 1)}" for name, item in sorted(value.keywords.items())]
        return _shortened(f"{describe(value.func, depth + 1)}({', '.join(settings)})")
    if isinstance(value, MethodType):
        return _shortened(f"{describe(value.__self__, depth + 1)}.{value.__func__.__name__}")
    settings = [f"{name}={text}" for name, text in settings_of(value, depth + 1).items()]
    return _shortened(f"{_name(type(value))}({', '.join(settings)})")


def settings_of(value: Any, depth: int = 0) -> dict[str, str]:
    """The public attributes of an object as text, by name."""
    try:
        attributes = vars(value)
    except TypeError:  # an object of another language, or one with __slots__
        return {}
    skipped = OF_RUNS if isinstance(value, Module) else frozenset()
    return {name: describe(attributes[name], depth) for name in sorted(attributes)
            if not name.startswith("_") and name not in skipped}


def checksum(values: Iterable[Tensor]) -> str:
    """The beginning of the SHA-256 checksum of Tensors' dtypes, shapes and numbers."""
    digest = hashlib.sha256()
    for value in values:
        array = backend_of(value.array).to_numpy(value.array)
        digest.update(f"{value.dtype} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()[:16]


def code_of(functions: Iterable[Any]) -> str:
    """A checksum of the instructions of functions, and of all methods of classes."""
    digest = hashlib.sha256()
    for function in functions:
        function = function.func if isinstance(function, functools.partial) else function
        members = vars(function).values() if isinstance(function, type) else [function]
        for member in members:
            if isinstance(member, FunctionType):
                _add(digest, member.__code__)
    return digest.hexdigest()[:16]


def _add(digest: Any, code: CodeType) -> None:
    digest.update(code.co_code + repr((code.co_name, code.co_names, code.co_varnames)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add(digest, constant)
        elif isinstance(constant, frozenset):  # whose order differs from process to process
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())


def _closure(function: FunctionType) -> list[Any]:
    """The values that a function has of the one around it."""
    values = []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # an empty cell
            values.append(cell.cell_contents)
    return values


def _ours(value: Any) -> bool:
    return (value.__module__ or "").split(".")[0] in ("cnnkit", "builtins")


def _name(value: Any) -> str:
    """The name of a class or a function, with its module where it is not cnnkit's."""
    if isinstance(value, Optimizer):
        value = type(value)
    module = value.__module__ or ""
    known = _ours(value) or module in ("", "__main__")
    return value.__qualname__ if known else f"{module}.{value.__qualname__}"


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST // 2]}... ({hashlib.sha256(text.encode()).hexdigest()[:16]})"
