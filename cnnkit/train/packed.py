"""A run's state as bytes, to give it to another process: a line of JSON, then a safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.safetensors import from_bytes, to_bytes
from cnnkit.train.tree import join, split

__all__ = ["packed", "unpacked"]


def packed(state: Mapping[str, Any]) -> bytes:
    """The state's bytes.

    >>> import cnnkit
    >>> unpacked(packed({"step": 3, "weight": cnnkit.tensor([1.0])}))
    {'step': 3, 'weight': tensor([1.])}
    """
    outline, tensors = split(state)
    return json.dumps(outline).encode() + b"\n" + to_bytes(tensors, None)


def unpacked(data: bytes) -> Any:
    """The state that `packed` has made bytes of."""
    outline, _, tensors = data.partition(b"\n")
    arrays = from_bytes(tensors, Path("the state of another rank"))
    return join(json.loads(outline), {name: Tensor(array) for name, array in arrays.items()})
