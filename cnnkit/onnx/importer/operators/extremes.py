"""Where the largest elements are."""

from __future__ import annotations

from typing import Any

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import operator
from cnnkit.onnx.importer.host import number


def _position(largest: bool, x: Tensor, axis: int, keepdims: int, last: int) -> Tensor:
    """The first of equals, or the last."""
    function = T.argmax if largest else T.argmin
    if not last:
        return function(x, axis, keepdim=bool(keepdims))
    return x.shape[axis] - 1 - function(T.flip(x, (axis,)), axis, keepdim=bool(keepdims))


@operator("ArgMax", foldable=True)
def argmax(x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    return _position(True, x, axis, keepdims, select_last_index)


@operator("ArgMin", foldable=True)
def argmin(x: Tensor, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Tensor:
    return _position(False, x, axis, keepdims, select_last_index)


@operator("TopK", until=9)
def topk_by_attribute(x: Tensor, *, k: int, axis: int = -1) -> Any:
    return _topk(x, k, axis, True)


@operator("TopK", since=10, settings="k")
def topk(x: Tensor, k: Tensor, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    return _topk(x, int(number(k)), axis, bool(largest))


def _topk(x: Tensor, k: int, axis: int, largest: bool) -> Any:
    """The k largest or smallest elements in their order, and where they are: of equals the first first."""
    order = T.argsort(x, axis, descending=largest, stable=True)
    chosen = T.narrow(order, axis, 0, k)
    return T.gather(x, axis, chosen), chosen
