"""Parts of tensors, and tensors put together."""

from __future__ import annotations

import cnnkit.autograd.functions as T
from cnnkit.autograd import Tensor
from cnnkit.onnx.importer.declaration import Ints, operator
from cnnkit.onnx.importer.host import integers, room


@operator("Concat", foldable=True)
def concat(*values: Tensor, axis: int) -> Tensor:
    room((sum(value.numel() for value in values),))
    return T.cat(list(values), axis) if len(values) > 1 else values[0]


@operator("Slice", until=9, foldable=True)
def slice_by_attributes(x: Tensor, *, starts: Ints, ends: Ints, axes: Ints | None = None) -> Tensor:
    return _sliced(x, starts, ends, axes, None)


@operator("Slice", since=10, settings="starts ends axes steps", foldable=True)
def slice_(x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None,
           steps: Tensor | None = None) -> Tensor:
    return _sliced(x, integers(starts) or (), integers(ends) or (), integers(axes), integers(steps))


def _sliced(x: Tensor, starts: Ints, ends: Ints, axes: Ints | None, steps: Ints | None) -> Tensor:
    axes = tuple(range(len(starts))) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ValueError(f"starts={starts}, ends={ends}, axes={axes} and steps={steps} are not as many")
    index, mirrored = [slice(None)] * x.ndim, []
    for start, end, axis, step in zip(starts, ends, axes, steps):
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"there is no axis {axis} in the shape {x.shape}")
        axis, n = axis % x.ndim, x.shape[axis]
        first, last, step = _within(start, end, step, n)
        if step > 0:
            index[axis] = slice(first, max(first, last), step)
        else:  # mirrored first, because PyTorch's slices have no negative steps
            mirrored.append(axis)
            index[axis] = slice(n - 1 - first, max(n - 1 - first, n - 1 - last), -step)
    x = T.flip(x, tuple(mirrored)) if mirrored else x
    return x[tuple(index)] if x.ndim else x


def _within(start: int, end: int, step: int, n: int) -> tuple[int, int, int]:
    """Positions counted from the end from the beginning, and those beyond as the outermost."""
    if step == 0:
        raise ValueError("a slice needs a step other than 0")
    start, end = (p + n if p < 0 else p for p in (start, end))
    low, high = (0, n) if step > 0 else (-1, n - 1)
    return min(max(start, max(low, 0) if step > 0 else low), high), min(max(end, low), high), step


@operator("Split", until=12, foldable=True)
def split_by_attribute(x: Tensor, *, axis: int = 0, split: Ints | None = None, results: int) -> tuple:
    return _split(x, axis, split, results)


@operator("Split", since=13, settings="split", foldable=True)
def split(x: Tensor, split: Tensor | None = None, *, axis: int = 0, num_outputs: int | None = None,
          results: int) -> tuple:
    return _split(x, axis, integers(split), num_outputs or results)


def _split(x: Tensor, axis: int, lengths: Ints | None, count: int) -> tuple:
    """Into parts of these lengths, or of equal ones, of which the last may be shorter."""
    if lengths is None:
        n, length = x.shape[axis], -(-x.shape[axis] // count)
        lengths = tuple(max(0, min(length, n - length * part)) for part in range(count))
    return tuple(T.split(x, list(lengths), axis))


@operator("Trilu", settings="k", foldable=True)
def trilu(x: Tensor, k: Tensor | None = None, *, upper: int = 1) -> Tensor:
    diagonal = 0 if k is None else (integers(k) or (0,))[0]
    rows, columns = x.shape[-2:]
    diagonal = max(-rows - 1, min(diagonal, columns + 1))
    place = (T.arange(columns, device=x.device).reshape((1, -1))
             - T.arange(rows, device=x.device).reshape((-1, 1)))
    kept = place >= diagonal if upper else place <= diagonal
    return T.where(kept, x, T.zeros_like(x))


@operator("ReverseSequence", settings="sequence_lens")
def reverse_sequence(x: Tensor, sequence_lens: Tensor, *, batch_axis: int = 1, time_axis: int = 0) -> Tensor:
    """The first so many elements of each sequence backwards."""
    lengths = integers(sequence_lens) or ()
    parts = []
    for number, length in enumerate(lengths):
        one = T.narrow(x, batch_axis, number, 1)
        first = T.flip(T.narrow(one, time_axis, 0, length), (time_axis,))
        parts.append(T.cat([first, T.narrow(one, time_axis, length, x.shape[time_axis] - length)], time_axis))
    return T.cat(parts, batch_axis)


@operator("Compress")
def compress(x: Tensor, condition: Tensor, *, axis: int | None = None) -> Tensor:
    flat = x.reshape((-1,)) if axis is None else x
    chosen = T.nonzero(condition).reshape((-1,))
    return T.index_select(flat, 0 if axis is None else axis, chosen)
