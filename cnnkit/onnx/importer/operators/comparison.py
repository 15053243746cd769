"""Comparisons, logic, and the choice between two tensors."""

from __future__ import annotations

from collections.abc import Callable

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.operators.arithmetic import broadcast_room, unary


def _binary(**functions: Callable[[Tensor, Tensor], Tensor]) -> None:
    for name, function in functions.items():
        operator(name, foldable=True, elementwise=True)(_two_inputs(function))


def _two_inputs(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def apply(a: Tensor, b: Tensor) -> Tensor:
        broadcast_room(a, b)
        return function(a, b)
    return apply


_binary(Equal=T.eq, Less=T.lt, Greater=T.gt, LessOrEqual=T.le, GreaterOrEqual=T.ge, And=T.logical_and,
        Or=T.logical_or, Xor=T.logical_xor)
unary(Not=T.logical_not, IsNaN=T.isnan)


@operator("IsInf", foldable=True)
def is_inf(x: Tensor, *, detect_negative: int = 1, detect_positive: int = 1) -> Tensor:
    if detect_negative and detect_positive:
        return T.isinf(x)
    if detect_positive or detect_negative:
        return T.isposinf(x) if detect_positive else T.isneginf(x)
    return T.zeros_like(x, dtype="bool")


@operator("Where", foldable=True, elementwise=True)
def where(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    broadcast_room(condition, x, y)
    return T.where(condition, x, y)
