"""`transfer`: a trained classifier for other classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from cnnkit import nn
from cnnkit.data import InputFormat
from cnnkit.foreign import whole
from cnnkit.models import Configurable, weights
from cnnkit.transfer_learning import freezing
from cnnkit.transfer_learning.freezing import BACKBONE, What
from cnnkit.transfer_learning.head import head_of, new_heads

__all__ = ["load_all_but_head", "transfer"]

Model = TypeVar("Model", bound=nn.Module)
COUNTS = ("num_classes", "classes")  # keys of a config


def transfer(model: Model, num_classes: int, freeze: What | None = BACKBONE) -> Model:
    """Give a trained classifier a new head, for other classes, and freeze what it has learnt.

    The new head is a layer of the kind of the old one, in its place (`head_of`), so that a model of
    `cnnkit.models` stays one: it is saved, loaded and built as before, with ``num_classes`` in its
    ``config``. What its weights want of pictures (``input_format``) stays too.

    Parameters
    ----------
    model : Module
        It is changed in place.
    num_classes : int
        The number of classes.
    freeze : str, int, sequence of str, or None
        What learns no more, as in `freeze`: by default all but the head; ``None`` for nothing.

    Returns
    -------
    Module
        `model`.

    >>> from cnnkit import models, transfer
    >>> from cnnkit.transfer_learning import frozen_names
    >>> model = transfer(models.resnet18(width_mult=0.125), num_classes=3)
    >>> model.fc, model.config["num_classes"], len(frozen_names(model))
    (Linear(in_features=64, out_features=3, bias=True), 3, 60)
    """
    num_classes = whole("num_classes", num_classes)
    freezing.unfreeze(model)
    heads = new_heads(model, num_classes)
    if freeze is not None:
        freezing.freeze(model, freeze)
        if freeze == BACKBONE:  # the heads of auxiliary classifiers learn as well
            freezing.unfreeze(model, [f"{name}.*" for name in heads])
    if isinstance(model, Configurable) and isinstance(model.config, Mapping):
        vars(model)["config"] = {name: num_classes if name in COUNTS else value
                                 for name, value in model.config.items()}
    if isinstance(model.input_format, InputFormat):
        model.input_format = replace(model.input_format, classes=None)
    return model


def load_all_but_head(model: nn.Module, source: Any) -> None:
    """Load weights (as `cnnkit.models.weights.find` takes them) into a model that may have other classes.

    Raises
    ------
    ValueError
        If they lack anything but the head, or have another shape.
    """
    report = weights.load_into(model, source, strict=False)
    head = head_of(model)
    lacking = [name for name in (*report.missing, *report.mismatched)
               if not name.startswith((f"{head}.", "aux"))]
    if lacking or not report.loaded:
        raise ValueError(f"the weights are of another network than this {type(model).__name__}: {report}")
