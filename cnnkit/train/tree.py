"""A run's state as two parts: nested dicts and lists of plain values, which JSON holds, and Tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, namespace_of
from cnnkit.foreign import device_of, plain

__all__ = ["copied_like", "join", "split"]

Plain = None | bool | int | float | str


def split(tree: Any) -> tuple[Any, dict[str, Tensor]]:
    """Split a tree into what JSON can hold and Tensors.

    Returns
    -------
    outline, tensors
        What JSON can hold: dicts whose keys are no strings, tuples, infinities and Tensors become dicts with
        a key that begins with ``$``. And the Tensors by their path in the tree, each with its axes in the
        order of its memory, so that a file in C order keeps the layout.

    >>> from cnnkit import tensor
    >>> outline, tensors = split({"step": 3, "weight": tensor([[1.0], [2.0]])})
    >>> outline, list(tensors)
    ({'step': 3, 'weight': {'$tensor': 'weight', 'order': [0, 1]}}, ['weight'])
    >>> join(outline, tensors)["weight"].shape
    (2, 1)
    """
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            array = value.array
            order = backend_of(array).axis_order(array)
            tensors[path] = Tensor(namespace_of(array).permute_dims(array, order))
            return {"$tensor": path, "order": list(order)}
        if isinstance(value, Mapping):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: walk(v, f"{path}.{key}" if path else key) for key, v in value.items()}
            return {"$items": [[key, walk(v, f"{path}.{key}")] for key, v in value.items()]}
        if isinstance(value, tuple):
            return {"$tuple": [walk(v, f"{path}.{i}") for i, v in enumerate(value)]}
        if isinstance(value, list):
            return [walk(v, f"{path}.{i}") for i, v in enumerate(value)]
        value = plain(value)
        if not isinstance(value, Plain):
            raise TypeError(f"{path} of a run's state is a {type(value).__name__}; "
                            "a checkpoint holds numbers, text, Tensors, and lists and dicts of them")
        return {"$float": repr(value)} if isinstance(value, float) and not math.isfinite(value) else value

    return walk(tree, ""), tensors


def join(outline: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree that `split` took apart, each Tensor with its original axes and memory layout."""
    if isinstance(outline, list):
        return [join(value, tensors) for value in outline]
    if not isinstance(outline, dict):
        return outline
    if "$tensor" in outline:
        array, order = tensors[outline["$tensor"]].array, outline["order"]
        axes = tuple(order.index(axis) for axis in range(len(order)))
        return Tensor(namespace_of(array).permute_dims(array, axes))
    if "$float" in outline:
        return float(outline["$float"])
    if "$items" in outline:
        return {key: join(value, tensors) for key, value in outline["$items"]}
    if "$tuple" in outline:
        return tuple(join(value, tensors) for value in outline["$tuple"])
    return {key: join(value, tensors) for key, value in outline.items()}


def copied_like(value: Tensor, like: Tensor, dtype: Any = None) -> Any:
    """A copy of `value` with its memory layout, but the backend, device and dtype of `like`, or `dtype`."""
    source, backend = value.array, backend_of(like.array)
    order = backend_of(source).axis_order(source)
    packed = namespace_of(source).permute_dims(source, order)
    if backend_of(source) is not backend:
        packed = backend_of(source).to_numpy(packed)
    array = backend.asarray(packed, like.dtype if dtype is None else dtype, device_of(like.array))
    return backend.namespace.permute_dims(array, tuple(order.index(axis) for axis in range(len(order))))
