"""Schemas: what a state must look like, written down once, and an error that names the path of what does not.

A schema is a function of a value and of its path in the state; it raises FormatError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.storage import FormatError

__all__ = ["ANY", "FLAG", "MAPPING", "NUMBER", "TENSOR", "TEXT", "WHOLE", "Schema", "check", "either", "like",
           "list_of", "mapping_of", "optional", "part", "record"]

Schema = Callable[[Any, str], None]


def check(value: Any, schema: Schema, path: str) -> None:
    """Raise FormatError if a value does not fit; the message names where in `path` it does not.

    >>> check({"epoch": 3, "rates": [0.1]}, record(epoch=WHOLE, rates=list_of(NUMBER)), "state")
    >>> check({"epoch": 3, "rates": ["a"]}, record(epoch=WHOLE, rates=list_of(NUMBER)), "state")
    Traceback (most recent call last):
        ...
    cnnkit.storage.errors.FormatError: state.rates[0] must be a number, not 'a'
    """
    schema(value, path)


def _of(kinds: type | tuple[type, ...], name: str, flags: bool = False, least: float | None = None) -> Schema:
    def schema(value: Any, path: str) -> None:
        known: Any = value
        if (not isinstance(value, kinds) or (isinstance(value, bool) and not flags)
                or (least is not None and known < least)):
            raise FormatError(f"{path} must be {name}, not {_shown(value)}")
    return schema


WHOLE = _of(int, "a whole number, 0 or more", least=0)
NUMBER = _of((int, float), "a number")
_ANY_NUMBER = _of((int, float), "a number", flags=True)
FLAG = _of(bool, "true or false", flags=True)
TEXT = _of(str, "text")
TENSOR = _of(Tensor, "a Tensor")
MAPPING = _of(Mapping, "a mapping by name")
_LIST = _of((list, tuple), "a list")


def ANY(value: Any, path: str) -> None:
    """Anything."""


def optional(schema: Schema) -> Schema:
    """``None`` too."""
    return lambda value, path: None if value is None else schema(value, path)


def either(*schemas: Schema, name: str) -> Schema:
    """Any of several; `name` says which, for the message."""
    def schema(value: Any, path: str) -> None:
        for one in schemas:
            try:
                return one(value, path)
            except FormatError:
                continue
        raise FormatError(f"{path} must be {name}, not {_shown(value)}")
    return schema


def list_of(item: Schema, length: int | None = None) -> Schema:
    """A list, perhaps of a fixed length."""
    def schema(value: Any, path: str) -> None:
        _LIST(value, path)
        if length is not None and len(value) != length:
            raise FormatError(f"{path} must have {length} entries, not {len(value)}")
        for n, entry in enumerate(value):
            item(entry, f"{path}[{n}]")
    return schema


def mapping_of(item: Schema, key: Schema = TEXT) -> Schema:
    """A mapping with values of one kind."""
    def schema(value: Any, path: str) -> None:
        MAPPING(value, path)
        for name, entry in value.items():
            key(name, f"a key of {path}")
            item(entry, f"{path}.{name}")
    return schema


def record(*, closed: bool = False, missing: tuple[str, ...] = (), **fields: Schema) -> Schema:
    """A mapping with these fields, but for those in `missing`; others may be there unless it is closed."""
    return _record(fields, closed, missing)


def _record(fields: Mapping[str, Schema], closed: bool = False, missing: tuple[str, ...] = ()) -> Schema:
    def schema(value: Any, path: str) -> None:
        MAPPING(value, path)
        for name, field in fields.items():
            if name in value:
                field(value[name], f"{path}.{name}")
            elif name not in missing:
                raise FormatError(f"{path} has no {name!r}")
        unknown = [name for name in value if name not in fields]
        if closed and unknown:
            raise FormatError(f"{path} has {_shown(unknown[0])}, which is not known here")
    return schema


def like(example: Any) -> Schema:
    """Of the same names and kinds as an example, such as the present state of what is to be restored.

    Where the example has ``None``, anything will do. There may be more names, and lists of numbers may have
    other lengths.
    """
    if isinstance(example, Mapping):
        return _record({name: like(value) for name, value in example.items() if isinstance(name, str)})
    if isinstance(example, list | tuple):
        if not example:
            return _LIST
        if all(isinstance(value, int | float) for value in example):
            return list_of(FLAG if all(isinstance(value, bool) for value in example) else _ANY_NUMBER)
        items = [like(value) for value in example]

        def schema(value: Any, path: str) -> None:
            list_of(ANY, len(items))(value, path)
            for n, (item, entry) in enumerate(zip(items, value)):
                item(entry, f"{path}[{n}]")
        return schema
    for kind, of_kind in ((bool, FLAG), (int | float, NUMBER), (str, TEXT), (Tensor, TENSOR)):
        if isinstance(example, kind):
            return of_kind
    return ANY


@contextmanager
def part(path: str) -> Iterator[None]:
    """Within the block, what a part of a state makes fail becomes a FormatError that names the part.

    For parts whose schema only their own class knows, such as those of a user's callback.
    """
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{path} cannot be restored: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise FormatError(f"{path} cannot be restored: {kind}{error}") from error


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a Tensor of shape {tuple(value.shape)}"
    return repr(value) if isinstance(value, int | float | str | bool | None) and len(
        repr(value)) < 80 else f"a {type(value).__name__}"
