"""Saved models: the weights, and the settings that make the model again, in one safetensors file.

It cannot hold code. The settings name a class, which must be registered in this process, so reading
them runs no code from the files.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cnnkit
from cnnkit.autograd import Tensor
from cnnkit.backends import dtype_name
from cnnkit.data import InputFormat
from cnnkit.data.contracts import Transform
from cnnkit.data.transforms import ToTensor
from cnnkit.foreign import plain
from cnnkit.models import registry
from cnnkit.models.bundle import read_bundle, write_bundle
from cnnkit.models.configurable import Configurable
from cnnkit.models.frozen import freeze_as_saved, frozen_parts
from cnnkit.nn import Module
from cnnkit.ops.dtypes import is_floating
from cnnkit.safetensors import with_ending
from cnnkit.storage import FormatError, limits
from cnnkit.storage.budget import budget_of

__all__ = ["SavedModel", "load_model", "save_model"]

FORMAT = 2  # of the settings


@dataclass(frozen=True)
class SavedModel:
    """A model read back, with the settings that were saved with it."""

    model: Module
    settings: dict[str, Any]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that the model takes.

        Raises
        ------
        ValueError
            If the settings have no input shape.
        """
        shape = self.settings.get("input_shape", self.settings["config"].get("input_shape"))
        if shape is None and self.model.input_format is not None:
            shape = list(self.model.input_format.shape)
        if not isinstance(shape, list) or [type(n) for n in shape] != [int] * 3 or min(shape) < 1:
            raise ValueError(f"the settings of this {self._name} do not say which images it takes; save it "
                             "again with models.save_model(model, path, input_shape=(C, H, W)), or put "
                             f"input_shape into {self._name}.config")
        limits.check("image_pixels", shape[1] * shape[2], f"an image as this {self._name} takes it")
        return tuple(shape)

    @property
    def transform(self) -> Transform:
        """What pictures go through before the model: `transforms.ToTensor`, and what training normalised.

        Where `takes_any_size` it resizes them too.
        """
        learnt = self.model.input_format
        if not isinstance(learnt, InputFormat):
            return ToTensor()
        return learnt.preprocessing() if self.takes_any_size else learnt.transform() or ToTensor()

    @property
    def takes_any_size(self) -> bool:
        """Whether `transform` resizes pictures, because training cut out their middle."""
        return isinstance(self.model.input_format, InputFormat) and self.model.input_format.resize is not None

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of the model's scores.

        Raises
        ------
        ValueError
            If the settings have no classes.
        """
        if self.settings["classes"] is None:
            raise ValueError(f"the settings of this {self._name} do not name its classes; save it again with "
                             "models.save_model(model, path, classes=[...]), or put classes, their number, "
                             f"into {self._name}.config")
        return list(self.settings["classes"])

    @property
    def _name(self) -> str:
        return type(self.model).__name__


def save_model(model: Module, path: str | os.PathLike[str], classes: Sequence[str] | None = None, *,
               input_shape: Sequence[int] | None = None, **settings: Any) -> Path:
    """Write a model's weights and its settings to ``PATH.safetensors``.

    Parameters
    ----------
    model : Module
        Made by a function that is registered (`models.register`; `resnet18` and its like are), or
        `Configurable`, of a class that is registered (`CNN` is). For others,
        ``safetensors.save_file(model.state_dict(), path)``.
    path : path
        With or without the ending ``.safetensors``; its folder is created.
    classes : sequence of str, optional
        Names of the classes; by default those of the data that `train.fit` trained it on, else ``"0"``,
        ``"1"``, ..., where the model's config has their number.
    input_shape : (C, H, W), optional
        Shape of the images that the model takes, where neither its config nor its ``input_format``, which
        is saved too, has it. What is frozen is saved as well (`transfer_learning.freeze`).
    **settings
        More settings, which JSON can hold: how the model was trained, its accuracy.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        If the class is not registered, the model has no config, or JSON cannot hold it.
    ValueError
        If the config has a key that the constructor does not take, or another number of classes.

    >>> import tempfile
    >>> from cnnkit import models
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_model(models.CommonCNN((1, 8, 8), classes=2), f"{folder}/pets", ["cat", "dog"])
    ...     load_model(path).classes
    ['cat', 'dog']
    """
    name, config = _name_and_config(model)
    count = _class_count(config)
    learnt = model.input_format if isinstance(model.input_format, InputFormat) else None
    if classes is None and learnt is not None and count in (None, len(learnt.classes or ())):
        classes = learnt.classes
    if classes is None and count is not None:
        classes = [str(i) for i in range(count)]
    if classes is not None and count not in (None, len(classes)):
        raise ValueError(f"save_model() got the names of {len(classes)} classes for a {name} with {count}")
    frozen = frozen_parts(model)
    content = {"format": FORMAT, "cnnkit": cnnkit.__version__, "model": name, "config": config,
               "classes": None if classes is None else list(classes),
               **({} if input_shape is None else {"input_shape": [operator.index(n) for n in input_shape]}),
               **({} if learnt is None else {"input_format": learnt.as_dict()}),
               **({"frozen": frozen} if any(frozen.values()) else {}),
               **settings}
    return write_bundle(with_ending(path), model.state_dict(), content)


def _name_and_config(model: Module) -> tuple[str, dict[str, Any]]:
    """The name that the model's class is registered by, and its config as JSON gives it back."""
    kind: Any = type(model)
    name = registry.name_of_model(model)
    if name is None:
        raise TypeError(f"save_model() saves models whose class is registered, and {kind.__name__} is not: "
                        "decorate it with @cnnkit.models.register, or a function that makes it, or keep the "
                        "code that makes it and save its weights with "
                        "cnnkit.safetensors.save_file(model.state_dict(), path)")
    if name != registry.name_of(kind):
        kind = registry.get(name)  # the function that made it
    if not isinstance(model, Configurable) or not isinstance(model.config, Mapping):
        example = ", ".join(f"{argument!r}: {argument}" for argument in registry.arguments_of(kind))
        raise TypeError(f"save_model() needs {kind.__name__}.config, the arguments that make the model "
                        f"again; write in its __init__: self.config = {{{example}}}")
    unknown = registry.unknown_arguments(kind, model.config)
    if unknown:
        arguments = ", ".join(registry.arguments_of(kind)) or "nothing"
        raise ValueError(f"{kind.__name__}.config has {unknown[0]!r}, which the constructor of "
                         f"{kind.__name__} does not take; it takes {arguments}")
    return name, _plain(model.config, f"{kind.__name__}.config")


def _plain(value: Any, where: str) -> Any:
    """A value as JSON gives it back; the error for one that JSON cannot hold names its path, `where`."""
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(part, f"{where}[{key!r}]") for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part, f"{where}[{index}]") for index, part in enumerate(value)]
    value = plain(value)
    if value is None or isinstance(value, str | bool | float | int):
        return value
    raise TypeError(f"{where} is {value!r}, which the settings of a saved model cannot hold; they take "
                    "numbers, text, None, and lists and mappings (by text) of them")


def load_model(path: str | os.PathLike[str]) -> SavedModel:
    """Read back what `save_model` wrote: in evaluation mode, on the backend in use, frozen where it was.

    Floating-point parameters and buffers have the dtype that they have in the file: bfloat16 and float16 too,
    where the backend has them; elsewhere they are read as float32, which is exact.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if it is damaged or was altered (its settings hold the SHA-256 checksum of its weights),
        describes a larger model than its weights make, the model's class is not registered, or a weight is
        NaN or infinite.
    """
    file = with_ending(path)
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file} (a saved model); `cnnkit train` writes one")
    tensors, settings = read_bundle(file)
    try:
        name, config, classes = settings["model"], settings["config"], settings["classes"]
        _check_types(name, config, classes)
    except (KeyError, TypeError) as error:
        raise FormatError(f"{file} holds no settings of a saved model "
                          f"({type(error).__name__}: {error}); save it again") from error
    if settings.get("format") != FORMAT:
        raise FormatError(f"{file} has format {settings.get('format')!r}; "
                          f"this version of cnnkit reads format {FORMAT}")
    count = _class_count(config)
    if classes is not None and count not in (None, len(classes)):
        raise FormatError(f"{file} names {len(classes)} classes for a model with {count}")
    try:
        with budget_of(tensors):
            model = registry.build(name, config)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
            RecursionError) as error:
        raise FormatError(f"{file} describes no model that can be made: {error}") from error
    except MemoryError as error:
        raise FormatError(f"{file} describes a model that is too large for this machine's memory "
                          f"({error})") from error
    reason = _misfit(model.state_dict(), tensors)
    if reason:
        raise FormatError(f"the weights in {file} do not fit its settings: {reason}")
    for tensor_name, tensor in tensors.items():
        array = tensor.numpy()
        if array.size and not math.isfinite(float(abs(array).max())):
            raise FormatError(f"{file}: the weights {tensor_name} hold NaN or infinity, which makes every "
                              "score nonsense; train it again, with a lower learning rate")
    if settings.get("input_format") is not None:
        try:
            model.input_format = InputFormat.from_dict(settings["input_format"])
        except ValueError as error:
            raise FormatError(f"{file}: its input_format is {error}; save the model again") from None
    for tensor_name, value in (*model.named_parameters(), *model.named_buffers()):
        if tensor_name in tensors:
            value.rebind(value.detach().to(dtype=tensors[tensor_name].dtype).array)
    model.load_state_dict(tensors)
    if settings.get("frozen") is not None:
        try:
            freeze_as_saved(model, settings["frozen"])
        except ValueError as error:
            raise FormatError(f"{file}: what is frozen in it is {error}; save the model again") from None
    return SavedModel(model.eval(), settings)


def _check_types(name: Any, config: Any, classes: Any) -> None:
    if not isinstance(name, str):
        raise TypeError(f"model must be a name, not {name!r}")
    if not isinstance(config, dict):
        raise TypeError(f"config must hold the model's arguments by name, not {config!r}")
    named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    unknown = classes is None and _class_count(config) is None
    if not named and not unknown:
        raise TypeError("classes must be a list of names in quotes")


def _class_count(config: Mapping[str, Any]) -> int | None:
    """The number of classes, if the config has it."""
    count = config.get("classes", config.get("num_classes"))
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _misfit(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    """Why a model with this state dict cannot take these weights; empty if it can."""
    for names, verb in ((state.keys() - tensors.keys(), "has no"),
                        (tensors.keys() - state.keys(), "has, but the model does not,")):
        if names:
            return f"the file {verb} {', '.join(sorted(names)[:8])}{', ...' if len(names) > 8 else ''}"
    for name, value in state.items():
        saved = tensors[name]
        one_kind = saved.dtype == value.dtype or (is_floating(saved.dtype) and is_floating(value.dtype))
        if saved.shape != value.shape or not one_kind:
            model_has, file_has = (f"{dtype_name(t.dtype)} {tuple(t.shape)}" for t in (value, saved))
            return f"{name} is {file_has}, in the model {model_has}"
    return ""
