"""What an index selects by: without Tensors in it."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd.value import Value

__all__ = ["plain_index"]


def plain_index(index: Any) -> Any:
    """An index with Tensors replaced by their arrays, and by numbers in lists and as the ends of slices."""
    if isinstance(index, tuple):
        return tuple([plain_index(i) for i in index])
    if isinstance(index, slice):
        return slice(*[end.item() if isinstance(end, Value) else end
                       for end in (index.start, index.stop, index.step)])
    if isinstance(index, list):
        return [i.tolist() if isinstance(i, Value) else i for i in index]
    return index.array if isinstance(index, Value) else index
