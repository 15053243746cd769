"""Models by name: classes registered by hand or found by entry points, and made from a saved ``config``."""

from __future__ import annotations

import builtins
import importlib.metadata
import inspect
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from cnnkit import backends, nn

__all__ = ["ModelInfo", "arguments_of", "build", "get", "list", "name_of", "register"]

GROUP = "cnnkit.models"  # of entry points, which map a model's name to its class
Kind = TypeVar("Kind", bound=type[nn.Module])

_lock = threading.RLock()
_kinds: dict[str, type[nn.Module]] = {}


@overload
def register(kind: Kind, *, name: str | None = None) -> Kind: ...


@overload
def register(kind: None = None, *, name: str | None = None) -> Callable[[Kind], Kind]: ...


def register(kind: Any = None, *, name: str | None = None) -> Any:
    """Give a class of models a name, by which it is saved, loaded, listed and built; a call, or a decorator.

    A package that ships models names them in the entry-point group ``cnnkit.models`` instead, as
    ``Name = "package:Class"``; it is imported when a model of that name is first requested.

    Parameters
    ----------
    kind : class derived from Module
        Its models are `Configurable`.
    name : str, optional
        By default the class's name. A class that is defined again, as in a notebook, replaces the old one.

    Returns
    -------
    class
        The class itself; without `kind`, a decorator that returns it.

    Raises
    ------
    TypeError
        If `kind` is no class derived from Module.
    ValueError
        If another class has the name.

    >>> from cnnkit import models, nn
    >>> @models.register(name="widths")
    ... class Net(nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.config = {"width": width}
    ...         self.fc = nn.Linear(64, width)
    >>> models.build("widths", {"width": 3}).fc
    Linear(in_features=64, out_features=3, bias=True)
    """
    if kind is None:
        return lambda decorated: register(decorated, name=name)
    _check_class(kind, "models.register takes")
    name = kind.__name__ if name is None else name
    with _lock:
        registered = _kinds.get(name)
        if registered is not None and _path(registered) != _path(kind):
            raise ValueError(f"the model name {name!r} is taken by {_path(registered)}; "
                             f"register {_path(kind)} by another: models.register({kind.__name__}, name=...)")
        _kinds[name] = kind
    return kind


def get(name: str) -> type[nn.Module]:
    """The class that has this name.

    Raises
    ------
    ValueError
        If there is none (the message lists the names), or the package that has it cannot be imported.

    >>> get("CNN").__qualname__
    'CNN'
    """
    if name in _kinds:
        return _kinds[name]
    entries = _entry_points()
    if name not in entries:
        names = ", ".join({**_kinds, **entries})
        raise ValueError(f"there is no model {name!r}; there are {names}. A class of your own is one of them "
                         "once it is registered: models.register(MyNet), or on the command line --import "
                         "MODULE:CLASS")
    entry = entries[name]
    try:
        kind = entry.load()
        _check_class(kind, "it must name")
    except Exception as error:  # a package may fail in any way
        raise ValueError(f"the model {name!r} ({entry.value}) could not be imported: {type(error).__name__}: "
                         f"{error}") from error
    return _kinds.setdefault(name, kind)


def name_of(kind: type) -> str | None:
    """The name that a class, or an older definition of it, is registered by; ``None`` if there is none.

    >>> from cnnkit import models, nn
    >>> name_of(models.CommonCNN), name_of(nn.Linear)
    ('CommonCNN', None)
    """
    package = kind.__module__.split(".")[0]
    for name, entry in _entry_points().items():
        if name not in _kinds and entry.module.split(".")[0] == package:  # `kind`'s, imported already
            get(name)
    return next((name for name, registered in _kinds.items() if _path(registered) == _path(kind)), None)


def build(name: str, config: Mapping[str, Any], *, backend: Any = None) -> nn.Module:
    """Make a model from its name and its ``config``.

    Parameters
    ----------
    name : str
        The name that the class is registered by; `list` shows the names.
    config : mapping
        The constructor's arguments, as in the ``config`` of a model.
    backend : str, optional
        Where the parameters are made; by default the backend in use.

    Raises
    ------
    ValueError
        If there is no such model, it has no such argument, or an argument makes no sense.

    >>> from cnnkit import models
    >>> model = models.CNN((1, 8, 8), conv=[(4, 3)], hidden=[], classes=2)
    >>> models.build("CNN", model.config).classifier
    Sequential(
      (flatten): Flatten(start_dim=1, end_dim=-1)
      (fc1): Linear(in_features=64, out_features=2, bias=True)
    )
    """
    kind = get(name)
    unknown = unknown_arguments(kind, config) if isinstance(config, Mapping) else [type(config).__name__]
    if unknown:
        arguments = ", ".join(arguments_of(kind))
        raise ValueError(f"{name} has no argument {unknown[0]!r}; its config has {arguments}")
    try:
        with nullcontext() if backend is None else backends.use(backend):
            return kind(**config)
    except TypeError as error:
        raise ValueError(f"{name} cannot be made from the config {dict(config)}: {error}") from error


def arguments_of(kind: type) -> tuple[str, ...]:
    """The constructor's arguments that a config may have: all but `backend`.

    >>> from cnnkit import models
    >>> arguments_of(models.CommonCNN)
    ('input_shape', 'classes', 'dtype')
    """
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(name for name, parameter in inspect.signature(kind).parameters.items()
                 if parameter.kind in by_name and name != "backend")


def unknown_arguments(kind: type, config: Mapping[str, Any]) -> builtins.list[str]:
    """The keys of a config that the constructor does not take."""
    parameters = inspect.signature(kind).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return []
    return [name for name in config if name not in arguments_of(kind)]


@dataclass(frozen=True)
class ModelInfo:
    """One row of `list`: a class of models.

    Attributes
    ----------
    name : str
        What `build` and ``cnnkit train --model`` take.
    kind : str
        ``"module:class"``.
    arguments : tuple of str
        The keys that its config may have.
    available : bool
        Whether it could be imported.
    reason : str
        Why it could not be imported.
    """

    name: str
    kind: str
    arguments: tuple[str, ...] = ()
    available: bool = True
    reason: str = ""


def list() -> Any:  # the public name is cnnkit.models.list()
    """Every class of models that is registered or installed: name, class, arguments.

    Returns
    -------
    list of ModelInfo
        Classes whose package cannot be imported included, with the reason.

    >>> [row.name for row in list()][:2]
    ['CNN', 'CommonCNN']
    """
    rows = []
    entries = _entry_points()
    for name in {**_kinds, **entries}:
        try:
            kind = get(name)
        except ValueError as error:
            rows.append(ModelInfo(name, entries[name].value, (), False, str(error)))
        else:
            rows.append(ModelInfo(name, _path(kind), arguments_of(kind)))
    return rows


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """The entry points of installed packages by name; the first of those with the same name."""
    entries: dict[str, importlib.metadata.EntryPoint] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        entries.setdefault(entry.name, entry)
    return entries


def _check_class(kind: Any, prefix: str) -> None:
    """Raise TypeError if `kind` is no class of modules; the message begins with `prefix`."""
    if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
        raise TypeError(f"{prefix} a class derived from cnnkit.nn.Module; got {kind!r}")


def _path(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
