"""How PyTorch joins samples to batches: whatever their structure is, Tensors are stacked, numbers listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.autograd import Tensor, tensor
from cnnkit.autograd.creation import as_tensor
from cnnkit.autograd.functions import stack
from cnnkit.foreign import is_array

__all__ = ["default_collate", "default_convert"]


def default_collate(batch: Sequence[Any]) -> Any:
    """A batch of samples, of the structure that a sample has.

    Parameters
    ----------
    batch : sequence
        Tensors and arrays of one shape, which are stacked; numbers, which become a Tensor; texts, which stay
        a list; or mappings, tuples and lists of these, nested in any way.

    Raises
    ------
    TypeError
        If a sample is something else, such as a picture that no transform has made a Tensor.
    RuntimeError, ValueError
        If samples differ in length or shape.

    >>> default_collate([(tensor([1.0]), 3, "a"), (tensor([2.0]), 4, "b")])
    [tensor([[1.],
            [2.]]), tensor([3, 4]), ['a', 'b']]
    >>> default_collate([{"x": 0.5}, {"x": 1.5}])
    {'x': tensor([0.5, 1.5], dtype=float64)}
    """
    first, kind = batch[0], type(batch[0])
    if isinstance(first, Tensor):
        return stack(list(batch), 0)
    if is_array(first):
        values = np.stack([np.asarray(value) for value in batch])
        if values.dtype.kind in "biuf":
            return tensor(values)
    if isinstance(first, int | float):
        return tensor(list(batch), dtype="float64" if isinstance(first, float) else None)
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        joined = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return joined if kind is dict else _rebuilt(kind, joined)
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError("samples of one batch must have one length; got "
                               f"{[len(sample) for sample in batch]}: a collate_fn can join others")
        parts = [default_collate(part) for part in zip(*batch)]
        if isinstance(first, tuple):
            return kind(*parts) if hasattr(first, "_fields") else parts
        return _rebuilt(kind, parts)
    raise TypeError("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
                    f"found {kind}: a transform such as ToTensor, or a collate_fn, can make Tensors of it")


def default_convert(data: Any) -> Any:
    """A sample with Tensors in the place of its arrays; all else stays as it is.

    >>> default_convert({"x": np.zeros(2, np.float32), "name": "a"})
    {'x': tensor([0., 0.]), 'name': 'a'}
    """
    if isinstance(data, Tensor | str | bytes):
        return data
    if is_array(data):
        return as_tensor(data)
    if isinstance(data, Mapping):
        converted = {key: default_convert(value) for key, value in data.items()}
        return converted if type(data) is dict else _rebuilt(type(data), converted)
    if isinstance(data, Sequence):
        parts = [default_convert(part) for part in data]
        if isinstance(data, tuple):
            return type(data)(*parts) if hasattr(data, "_fields") else parts
        return _rebuilt(type(data), parts)
    return data


def _rebuilt(kind: Any, content: Any) -> Any:
    """The content as a container of the class; as it is where such a class cannot be made of it."""
    try:
        return kind(content)
    except TypeError:
        return content
