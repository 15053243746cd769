"""Dropout, whose ratio was an attribute before opset 12."""

from __future__ import annotations

from typing import Any

import cnnkit.autograd.functions as T
from cnnkit import functional as F
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.host import number


@operator("Dropout", until=11)
def dropout_7(x: Tensor, *, ratio: float = 0.5, training: bool, results: int) -> Any:
    return _dropout(x, ratio, training, results)


@operator("Dropout", since=12, settings="ratio training_mode")
def dropout(x: Tensor, ratio: Tensor | None = None, training_mode: Tensor | None = None, *, seed: int = 0,
            training: bool, results: int) -> Any:
    """Drops where the module trains, or the graph says so; positions are drawn from `cnnkit.random`."""
    trains = training or (training_mode is not None and bool(number(training_mode)))
    return _dropout(x, 0.5 if ratio is None else float(number(ratio)), trains, results)


def _dropout(x: Tensor, ratio: float, trains: bool, results: int) -> Any:
    """The result, and on request which elements stay."""
    if results == 1:
        return F.dropout(x, ratio, trains)
    ones = F.dropout(T.ones_like(x), ratio, trains)
    return x * ones, ones != 0
