"""Models by name: those of `cnnkit.models`, and classes of the user's own as ``MODULE:CLASS``."""

from __future__ import annotations

import difflib
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cnnkit.models import SavedModel
    from cnnkit.nn import Module

__all__ = ["Import", "built", "imported", "is_onnx", "load_saved", "settings"]

Import = Annotated[str | None, typer.Option(
    "--import", metavar="MODULE[:CLASS]", show_default=False,
    help="Import a module of yours first, which has the model's class.")]

CLASSES = ("classes", "num_classes", "n_classes")  # arguments by which a constructor takes their number


def imported(spec: str) -> str | None:
    """Import ``MODULE`` or ``MODULE:CLASS``, also from the current folder; the name of the class as a model.

    Raises
    ------
    ValueError
        If the module cannot be imported or has no such class.
    """
    from cnnkit import models

    module_name, _, class_name = spec.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module of the user's may fail in any way
        raise ValueError(f"{spec}: the module {module_name!r} could not be imported "
                         f"({type(error).__name__}: {error})") from error
    if not class_name:
        return None
    names = [name for name, value in vars(module).items() if isinstance(value, type)]
    if class_name not in names:
        close = difflib.get_close_matches(class_name, names, n=1)
        raise ValueError(f"{spec}: {module_name} has no class {class_name!r}"
                         + (f"; did you mean {close[0]!r}?" if close
                            else f"; it has {', '.join(names) or 'none'}"))
    kind = vars(module)[class_name]
    try:
        return models.registry.name_of(kind) or models.registry.name_of(models.register(kind))
    except TypeError as error:
        raise ValueError(f"{spec}: {error}") from None


def settings(pairs: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """The arguments of a model from texts ``name=value``; a value is JSON, or else text.

    Raises
    ------
    ValueError
        If a text has no ``=``, or a name is given twice.

    >>> settings(["dropout=0.5", "conv=[[8, 3], [16, 3]]", "pool=avg"])
    {'dropout': 0.5, 'conv': [[8, 3], [16, 3]], 'pool': 'avg'}
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise ValueError(f"{option} {pair}: it takes NAME=VALUE, such as {option} dropout=0.5")
        if name in values:
            raise ValueError(f"{option} {pair}: {name} was given before, as {values[name]!r}")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError:
            values[name] = text
    return values


def built(model: str, input_shape: tuple[int, ...], classes: int, given: Mapping[str, Any]) -> Module:
    """A fresh model for images (C, H, W) and a number of classes.

    Parameters
    ----------
    model : str
        A name of `cnnkit.models`, or ``MODULE:CLASS``.
    input_shape, classes
        Passed to a constructor that takes them; the number of classes also as ``num_classes``, the first of
        the shape also as ``in_channels``.
    given : mapping
        More of the constructor's arguments, which win.

    Raises
    ------
    ValueError
        If there is no such model, or it takes other arguments; the message lists those it takes.
    """
    from cnnkit import models

    name = (imported(model) if ":" in model else None) or model
    kind = models.get(name)
    task = models.registry.task_of(kind)
    if task != "classification":
        raise ValueError(f"--model {name}: it is for {task}, and images in classes are learnt here; train it "
                         "with cnnkit.train.fit and a loss of its own, as docs/models.md says")
    name, taken = (_taking(kind, given) if isinstance(kind, type)
                   else (name, models.registry.arguments_of(kind)))
    arguments: dict[str, Any] = {"input_shape": tuple(input_shape)} if "input_shape" in taken else {}
    arguments.update({"in_channels": input_shape[0]} if "in_channels" in taken else {})
    arguments.update({"aux_logits": False} if "aux_logits" in taken else {})  # training is by one output
    arguments.update({argument: classes for argument in CLASSES if argument in taken})
    if not arguments and not given and ":" not in model:
        fitting = [row.name for row in models.list() if {"input_shape", "classes"} <= {*row.arguments}]
        raise ValueError(f"--model {name}: it cannot be made for these images, because its constructor takes "
                         f"neither input_shape nor classes; those of {', '.join(fitting)} do")
    for argument in given:
        if argument not in taken:
            close = difflib.get_close_matches(argument, taken, n=1)
            raise ValueError(f"--set {argument}={given[argument]}: {name} has no argument {argument!r}"
                             + (f"; did you mean {close[0]!r}?" if close
                                else f"; it takes {', '.join(taken)}"))
    arguments.update(given)
    network = models.build(name, arguments)
    if not isinstance(network, models.Configurable):
        network.config = arguments  # so that it can be saved
    return network


def _taking(kind: type[Module], given: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The name and the arguments of a class, or of the one it is a special case of, if that takes `given`.

    CommonCNN is a CNN with the guide's layers: ``dropout=0.5`` asks for a CNN with these layers and dropout.
    """
    from cnnkit.models import registry

    for base in kind.__mro__:
        name = registry.name_of(base)
        if name is not None and {*given} <= {*registry.arguments_of(base)}:
            return name, registry.arguments_of(base)
    return str(registry.name_of(kind)), registry.arguments_of(kind)


def is_onnx(path: str | Path) -> bool:
    """Whether a path has the ending of ONNX files."""
    return Path(path).suffix.lower() == ".onnx"


def load_saved(path: Path, spec: str | None = None) -> SavedModel:
    """A saved model, after importing ``MODULE[:CLASS]`` of the user's own; or an ONNX file."""
    from cnnkit import models

    if spec is not None:
        imported(spec)
    if is_onnx(path):
        from cnnkit.cli.onnx_file import load_onnx

        return load_onnx(path)
    return models.load_model(path)
