"""Models by name: classes and functions that make them, registered or found by entry points."""

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
from cnnkit.models import catalogue
from cnnkit.models.building import NOT_SETTINGS, Made, recorded

__all__ = ["ModelInfo", "arguments_of", "build", "get", "list", "name_of", "register"]

GROUP = "cnnkit.models"  # of entry points, which map a model's name to its class
Kind = TypeVar("Kind", bound=Callable[..., nn.Module])  # a class, or a function

_lock = threading.RLock()
_kinds: dict[str, Callable[..., nn.Module]] = {}


@overload
def register(kind: Kind, *, name: str | None = None) -> Kind: ...


@overload
def register(kind: None = None, *, name: str | None = None) -> Callable[[Kind], Kind]: ...


def register(kind: Any = None, *, name: str | None = None) -> Any:
    """Give a class of models, or a function that makes them, a name: to be saved, listed and built by.

    A call, or a decorator.

    A package that ships models names them in the entry-point group ``cnnkit.models`` instead, as
    ``Name = "package:Class"``; it is imported when a model of that name is first requested.

    Parameters
    ----------
    kind : class derived from Module, or function
        The class's models are `Configurable`. Those that the function makes become so: their ``config`` is
        what the function was called with.
    name : str, optional
        By default the name of the class or function. One that is defined again, as in a notebook, replaces
        the old one.

    Returns
    -------
    class or function
        The class itself, or the function, whose models know how they were made; without `kind`, a decorator
        that returns it.

    Raises
    ------
    TypeError
        If `kind` is neither a class derived from Module nor a function with a name.
    ValueError
        If another class or function has the name.

    >>> from cnnkit import models, nn
    >>> @models.register(name="widths")
    ... class Net(nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.config = {"width": width}
    ...         self.fc = nn.Linear(64, width)
    >>> models.build("widths", {"width": 3}).fc
    Linear(in_features=64, out_features=3, bias=True)

    >>> @models.register
    ... def resnet10(num_classes=10):
    ...     return models.ResNet(models.BasicBlock, [1, 1, 1, 1], num_classes)
    >>> resnet10(3).config
    {'num_classes': 3}
    """
    if kind is None:
        return lambda decorated: register(decorated, name=name)
    _check_kind(kind, "models.register takes")
    name = kind.__name__ if name is None else name
    if not isinstance(kind, type):
        kind = recorded(kind, name)
    with _lock:
        taken = (_path(_kinds[name]) if name in _kinds else f"{catalogue.ARCHITECTURES[name]}:{name}"
                 if name in catalogue.ARCHITECTURES else _path(kind))
        if taken != _path(kind):
            raise ValueError(f"the model name {name!r} is taken by {taken}; "
                             f"register {_path(kind)} by another: models.register({kind.__name__}, name=...)")
        _kinds[name] = kind
    return kind


def get(name: str) -> Callable[..., nn.Module]:
    """The class or function that has this name.

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
        _check_kind(kind, "it must name")
    except Exception as error:  # a package may fail in any way
        raise ValueError(f"the model {name!r} ({entry.value}) could not be imported: {type(error).__name__}: "
                         f"{error}") from error
    return _kinds.setdefault(name, kind)


def name_of_model(model: nn.Module) -> str | None:
    """The name of the function that made a model, or else of its class; ``None`` if neither is registered.

    >>> from cnnkit import models
    >>> name_of_model(models.lenet5()), name_of_model(models.CommonCNN())
    ('lenet5', 'CommonCNN')
    """
    if isinstance(model, Made) and (model.made_by in _kinds or model.made_by in _entry_points()):
        return model.made_by
    return name_of(type(model))


def name_of(kind: type) -> str | None:
    """The name that a class, or an older definition of it, is registered by; ``None`` if there is none.

    >>> from cnnkit import models, nn
    >>> name_of(models.CommonCNN), name_of(nn.Linear)
    ('CommonCNN', None)
    """
    package = kind.__module__.split(".")[0]
    for name, entry in _entry_points().items():
        if (name not in _kinds and name not in catalogue.ARCHITECTURES  # which are functions
                and entry.module.split(".")[0] == package):  # `kind`'s, imported already
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


def arguments_of(kind: Callable[..., nn.Module]) -> tuple[str, ...]:
    """The arguments that a config may have: all but `backend`, and `weights`, which are not settings.

    >>> from cnnkit import models
    >>> arguments_of(models.CommonCNN)
    ('input_shape', 'classes', 'dtype')
    """
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(name for name, parameter in inspect.signature(kind).parameters.items()
                 if parameter.kind in by_name and name not in ("backend", *NOT_SETTINGS))


def task_of(kind: Callable[..., nn.Module]) -> str:
    """What the models are for: classification, where nothing else is said.

    >>> from cnnkit import models
    >>> task_of(models.resnet18), task_of(models.unet)
    ('classification', 'segmentation')
    """
    return "classification" if isinstance(kind, type) else vars(kind).get("task", "classification")


def unknown_arguments(kind: Callable[..., nn.Module], config: Mapping[str, Any]) -> builtins.list[str]:
    """The keys of a config that the constructor does not take."""
    parameters = inspect.signature(kind).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return []
    return [name for name in config if name not in arguments_of(kind)]


@dataclass(frozen=True)
class ModelInfo:
    """One row of `list`: a class of models, or a function that makes them.

    Attributes
    ----------
    name : str
        What `build` and ``cnnkit train --model`` take.
    kind : str
        ``"module:class"`` or ``"module:function"``.
    arguments : tuple of str
        The keys that its config may have.
    available : bool
        Whether it could be imported.
    reason : str
        Why it could not be imported.
    input_shape : tuple or None
        (C, H, W) of the images that the network was published for, where that is known.
    task : str
        ``"classification"``, ``"segmentation"`` or ``"detection"``.
    """

    name: str
    kind: str
    arguments: tuple[str, ...] = ()
    available: bool = True
    reason: str = ""
    input_shape: tuple[int, int, int] | None = None
    task: str = "classification"


def list() -> Any:  # the public name is cnnkit.models.list()
    """Every network that cnnkit has, is registered or installed: name, class or function, arguments.

    Returns
    -------
    list of ModelInfo
        Those whose package cannot be imported included, with the reason.

    >>> {"CommonCNN", "resnet18"} <= {row.name for row in list()}
    True
    """
    rows = []
    entries = _entry_points()
    for name in {**_kinds, **entries}:
        try:
            kind = get(name)
        except ValueError as error:
            rows.append(ModelInfo(name, entries[name].value, (), False, str(error)))
        else:
            rows.append(ModelInfo(name, _path(kind), arguments_of(kind),
                                  input_shape=_published_shape(kind), task=task_of(kind)))
    return rows


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    """What cnnkit ships and the entry points of installed packages, by name; the first of the same name."""
    entries = {name: importlib.metadata.EntryPoint(name, f"{file}:{name}", GROUP)
               for name, file in catalogue.ARCHITECTURES.items()}
    for entry in importlib.metadata.entry_points(group=GROUP):
        entries.setdefault(entry.name, entry)
    return entries


def _check_kind(kind: Any, prefix: str) -> None:
    """Raise TypeError if `kind` makes no modules, or has no name; the message begins with `prefix`."""
    makes = (issubclass(kind, nn.Module) if isinstance(kind, type)
             else inspect.isfunction(kind) and kind.__name__.isidentifier())
    if not makes:
        raise TypeError(f"{prefix} a class derived from cnnkit.nn.Module, or a function with a name that "
                        f"makes models; got {kind!r}")


def _published_shape(kind: Any) -> tuple[int, int, int] | None:
    return None if isinstance(kind, type) else vars(kind).get("input_shape")


def _path(kind: Any) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
