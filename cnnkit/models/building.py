"""Functions that make models, such as `resnet18`, and models that say how they were made."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

from cnnkit import nn

__all__ = ["NOT_SETTINGS", "Made", "architecture", "recorded"]

Model = TypeVar("Model", bound=nn.Module)
NOT_SETTINGS = ("weights", "progress")  # they say what the parameters are, not which there are


@runtime_checkable
class Made(Protocol):
    """A model that a function made: ``made_by`` is the name by which the function is registered."""

    made_by: str


def recorded(function: Callable[..., Model], name: str | None = None) -> Callable[..., Model]:
    """The function, whose models get attributes ``made_by``, its name, and ``config``, its arguments.

    >>> @recorded
    ... def tiny(width=4):
    ...     return nn.Linear(width, 1)
    >>> tiny(3).made_by, tiny(3).config
    ('tiny', {'width': 3})
    """
    name = function.__name__ if name is None else name
    signature = inspect.signature(function)

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Model:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}() {error}; it takes {', '.join(signature.parameters)}") from None
        bound.apply_defaults()
        model = function(*args, **kwargs)
        if not isinstance(model, nn.Module):
            raise TypeError(f"{name}() must return a cnnkit.nn.Module; it returned {model!r:.60}")
        config: dict[str, Any] = {}
        for key, value in bound.arguments.items():
            open_ended = signature.parameters[key].kind is inspect.Parameter.VAR_KEYWORD
            config.update(value if open_ended else {key: value})
        model.made_by = name
        model.config = {key: value for key, value in config.items() if key not in NOT_SETTINGS}
        return model
    return make


def architecture(family: Callable[..., Any], *, sets: tuple[str, ...] = (),
                 input_shape: tuple[int, int, int] = (3, 224, 224), task: str = "classification",
                 ) -> Callable[[Callable[..., Model]], Callable[..., Model]]:
    """Decorate a function that makes one network of a family.

    It then takes ``weights``, ``progress``, and every argument of the family that has a default.

    Parameters
    ----------
    family : callable
        A class of models, or a function: what the decorated function calls.
    sets : tuple of str
        The arguments that the function sets itself; those without a default always are.
    input_shape : (C, H, W)
        Of the images that it was published for.
    task : {"classification", "segmentation", "detection"}
        What it is for.
    """
    settings = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
                for parameter in inspect.signature(family).parameters.values()
                if parameter.default is not inspect.Parameter.empty and parameter.name not in sets]
    first = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
             for name, default, annotation in zip(NOT_SETTINGS, (None, True), ("Any", "bool"))]

    def decorate(function: Callable[..., Model]) -> Callable[..., Model]:
        @functools.wraps(function)
        def with_weights(*, weights: Any = None, progress: bool = True, **arguments: Any) -> Model:
            model = function(**arguments)
            return model if weights is None else _loaded(model, weights, progress)

        signature = inspect.signature(function)
        vars(with_weights)["__signature__"] = signature.replace(parameters=[*first, *settings])
        inner = recorded(with_weights)

        @functools.wraps(inner)
        def make(*args: Any, **kwargs: Any) -> Model:
            if "pretrained" in kwargs:
                kwargs = _without_pretrained(function.__name__, kwargs)
            return inner(*args, **kwargs)
        vars(make).update(input_shape=input_shape, task=task)
        return make
    return decorate


def _loaded(model: Model, weights: Any, progress: bool) -> Model:
    """The model with weights from a file or by name: the one place that knows how."""
    from cnnkit.models.weights import load_into

    load_into(model, weights)
    return model


def _without_pretrained(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """torchvision's old argument ``pretrained`` as ``weights``, with its warning."""
    weights = "DEFAULT" if arguments.pop("pretrained") else None
    warnings.warn(f"{name}(pretrained=...) is deprecated since torchvision 0.13: use "
                  f"weights={weights!r}", UserWarning, stacklevel=3)
    return {"weights": weights, **arguments}
