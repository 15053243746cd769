"""Saved weights: safetensors files of Tensors, and models as such a file with their settings beside it as JSON.

Neither format can hold code, so reading a file never runs any.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

import cnnkit
from cnnkit import models
from cnnkit.autograd import Tensor, tensor
from cnnkit.backends import dtype_name
from cnnkit.nn import Module

__all__ = ["SavedModel", "load_file", "load_model", "save_file", "save_model"]

FORMAT = 1  # of the settings file


@dataclass(frozen=True)
class SavedModel:
    """A model read back, with the settings that were saved beside it."""

    model: Module
    settings: dict[str, Any]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that the model takes."""
        return tuple(self.settings["config"]["input_shape"])

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the model's scores."""
        return list(self.settings["classes"])


def save_file(tensors: Mapping[str, Tensor], path: str | os.PathLike, metadata: Mapping[str, str] | None = None) -> Path:
    """Write Tensors of any backend to a safetensors file, whole or not at all.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        A ``state_dict``.
    path : path
        Where to; a file that exists is replaced.
    metadata : mapping of str to str, optional
        Kept in the file's header.
    """
    return _write(Path(path), to_bytes(tensors, metadata))


def load_file(path: str | os.PathLike, backend: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or is no safetensors file.
    """
    arrays = from_bytes(Path(path).read_bytes(), path)
    return {name: tensor(value, backend=backend) for name, value in arrays.items()}


def save_model(model: Module, path: str | os.PathLike, classes: list[str] | None = None, **settings: Any) -> Path:
    """Write a model's weights to ``PATH.safetensors`` and what rebuilds it to ``PATH.json``.

    Parameters
    ----------
    model : Module
        A model of `cnnkit.models` (one with a ``config``). For others, ``save_file(model.state_dict(), path)``.
    path : path
        With or without the ending ``.safetensors``; its folder is made.
    classes : list of str
        Names of the classes.
    **settings
        Kept in the JSON file: how the model was trained, its accuracy.

    Returns
    -------
    Path
        The weights file.
    """
    name = type(model).__name__
    if not isinstance(model, models.CNN) or models.NAMES.get(name) is not type(model):
        raise TypeError(f"save_model() can rebuild {', '.join(models.NAMES)}; for a {name} keep the code that makes it, and save "
                        "its weights with save_file(model.state_dict(), path)")
    weights = Path(path) if Path(path).suffix == ".safetensors" else Path(f"{path}.safetensors")
    weights.parent.mkdir(parents=True, exist_ok=True)
    data = to_bytes(model.state_dict(), {"format": "cnnkit"})
    outputs = int(model.config["classes"])
    content = {"format": FORMAT, "cnnkit": cnnkit.__version__, "model": name, "config": model.config,
               "classes": list(classes) if classes is not None else [str(i) for i in range(outputs)],
               "sha256": hashlib.sha256(data).hexdigest(), **settings}
    _write(weights, data)
    _write(weights.with_suffix(".json"), (json.dumps(content, indent=2) + "\n").encode())
    return weights


def load_model(path: str | os.PathLike) -> SavedModel:
    """Read back what `save_model` wrote; the model is in evaluation mode, on the backend that `cnnkit.use` says.

    Raises
    ------
    FileNotFoundError
        If the weights or the settings are not there.
    ValueError
        If either is damaged, they do not belong together (the settings hold the SHA-256 checksum of the weights file), or a
        weight is NaN or infinite.
    """
    weights = Path(path) if Path(path).suffix == ".safetensors" else Path(f"{path}.safetensors")
    beside = weights.with_suffix(".json")
    for file, what in ((weights, "weights"), (beside, "settings")):
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {file} (the {what} of a saved model); `cnnkit train` writes one")
    try:
        settings = json.loads(beside.read_text(encoding="utf-8"))
        name, config, classes = settings["model"], settings["config"], settings["classes"]
        _check_types(name, config, classes)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{beside} holds no settings of a saved model ({type(error).__name__}: {error}); save it again") from error
    if settings.get("format") != FORMAT:
        raise ValueError(f"{beside} has format {settings.get('format')!r}; this version of cnnkit reads format {FORMAT}")
    if len(classes) != config.get("classes"):
        raise ValueError(f"{beside} names {len(classes)} classes for a model with {config.get('classes')}")
    data = weights.read_bytes()
    arrays = from_bytes(data, weights)
    if settings.get("sha256", hashlib.sha256(data).hexdigest()) != hashlib.sha256(data).hexdigest():
        raise ValueError(f"{weights} is not the file that {beside} was saved with (their SHA-256 checksums differ): it has changed "
                         "or is another model's; save the model again, or copy both files again")
    try:
        model = models.build(name, config)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"{beside} describes no model that can be made: {error}") from error
    except MemoryError as error:
        raise ValueError(f"{beside} describes a model that is too large for this machine's memory ({error})") from error
    reason = _misfit(model.state_dict(), arrays)
    if reason:
        raise ValueError(f"{weights} does not fit {beside}: {reason}")
    for array_name, array in arrays.items():
        if array.size and not math.isfinite(float(abs(array).max())):
            raise ValueError(f"{weights}: the weights {array_name} hold NaN or infinity, which makes every score nonsense; "
                             "train it again, with a lower learning rate")
    model.load_state_dict({n: tensor(array) for n, array in arrays.items()})
    return SavedModel(model.eval(), settings)


def _check_types(name: Any, config: Any, classes: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"model must be a name, not {name!r}")
    if not isinstance(config, dict):
        raise TypeError(f"config must hold the model's arguments by name, not {config!r}")
    if not isinstance(classes, list) or not all(isinstance(c, str) for c in classes):
        raise TypeError("classes must be a list of names in quotes")


def _misfit(own: Mapping[str, Tensor], arrays: Mapping[str, Any]) -> str:
    """What keeps a model with the state `own` from taking these weights; empty if nothing does."""
    for names, what in ((own.keys() - arrays.keys(), "has no"), (arrays.keys() - own.keys(), "has, but the model does not,")):
        if names:
            return f"the file {what} {', '.join(sorted(names)[:8])}{', ...' if len(names) > 8 else ''}"
    for name, value in own.items():
        model_has, file_has = (f"{dtype} {tuple(shape)}" for dtype, shape in (
            (dtype_name(value.dtype), value.shape), (arrays[name].dtype.name, arrays[name].shape)))
        if model_has != file_has:
            return f"{name} is {file_has}, in the model {model_has}"
    return ""


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> bytes:
    arrays = {name: value.numpy().copy(order="C") for name, value in tensors.items()}
    return serialise(arrays, dict(metadata) if metadata else None)


def from_bytes(data: bytes, path: str | os.PathLike) -> dict[str, Any]:
    try:
        return parse(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no whole safetensors file ({error}); save the model again") from error


def _write(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all: beside it first, then renamed over it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
