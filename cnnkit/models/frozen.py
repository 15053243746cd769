"""What of a model does not learn, by name: kept with saved models and in checkpoints."""

from __future__ import annotations

from typing import Any

from cnnkit.nn import Module

__all__ = ["freeze_as_saved", "frozen_parts"]


def frozen_parts(model: Module) -> dict[str, list[str]]:
    """The names of the parameters that require no gradient, and of the layers kept in evaluation mode.

    >>> from cnnkit import nn
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    >>> model[0].requires_grad_(False) is model[0], frozen_parts(model)
    (True, {'parameters': ['0.weight', '0.bias'], 'layers': []})
    """
    return {"parameters": [name for name, value in model.named_parameters() if not value.requires_grad],
            "layers": [name for name, module in model.named_modules() if module.kept_in_eval_mode]}


def freeze_as_saved(model: Module, parts: Any) -> None:
    """Freeze what `frozen_parts` gave of a model with the same layers, and let all else learn.

    Raises
    ------
    ValueError
        If it is something else, or names what the model does not have.
    """
    if not isinstance(parts, dict) or parts.keys() != {"parameters", "layers"} or not all(
            isinstance(names, list) and all(isinstance(name, str) for name in names)
            for names in parts.values()):
        raise ValueError(f"not a list of names of parameters and one of layers: {parts!r:.200}")
    parameters, layers = dict(model.named_parameters()), dict(model.named_modules())
    unknown = [*({*parts["parameters"]} - parameters.keys()), *({*parts["layers"]} - layers.keys())]
    if unknown:
        raise ValueError(f"of another model: this {type(model).__name__} has no {unknown[0]!r:.200}")
    for name, parameter in parameters.items():
        parameter.requires_grad_(name not in parts["parameters"])
    for name, layer in layers.items():
        if layer.kept_in_eval_mode != (name in parts["layers"]):
            layer.keep_in_eval_mode(name in parts["layers"])
