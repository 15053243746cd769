"""What Tensors' methods select: indices without Tensors in them, and look-ups by position."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.value import Value
from cnnkit.backends import dtype_name
from cnnkit.foreign import is_array
from cnnkit.ops import gathering

__all__ = ["gather", "index_select", "plain_index", "take_along_dim"]


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


def index_select(x: Any, dim: int, index: Any) -> Any:
    """See `cnnkit.functional.index_select`."""
    _need_positions("index_select", index)
    if len(index.shape) != 1:
        raise ValueError(f"index_select needs positions of shape (n,); got {tuple(index.shape)}")
    return x[(slice(None),) * _axis("index_select", dim, x.shape) + (index,)]


def gather(x: Any, dim: int, index: Any) -> Any:
    """See `cnnkit.functional.gather`."""
    _need_positions("gather", index)
    axis, sizes = _axis("gather", dim, x.shape), tuple(index.shape)
    if len(sizes) != x.ndim or any(n > m for i, (n, m) in enumerate(zip(sizes, x.shape)) if i != axis):
        raise ValueError(f"gather along axis {axis} got positions of shape {sizes} for a Tensor of shape "
                         f"{x.shape}: along the other axes they must not be longer")
    part = x[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(sizes))]
    return apply(gathering.take_along_axis, part, index, axis=axis)


def take_along_dim(x: Any, indices: Any, dim: int | None) -> Any:
    """See `cnnkit.functional.take_along_dim`."""
    _need_positions("take_along_dim", indices)
    if dim is None:
        return x.reshape(-1)[Value.result(indices).reshape(-1)]  # type: ignore[attr-defined]
    return apply(gathering.take_along_axis, x, indices, axis=_axis("take_along_dim", dim, x.shape))


def _need_positions(name: str, index: Any) -> None:
    if not is_array(index) or not gathering.is_signed(index.dtype):
        found = dtype_name(index.dtype) if is_array(index) else type(index).__name__
        raise TypeError(f"{name} needs a Tensor of int64 positions (or smaller signed integers); got {found}")


def _axis(name: str, axis: int, shape: tuple[int, ...]) -> int:
    if not -len(shape) <= axis < len(shape):
        raise IndexError(f"{name} got axis {axis} for a Tensor of shape {shape}")
    return axis % len(shape)
