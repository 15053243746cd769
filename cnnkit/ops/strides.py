"""Which ops' results share memory with their input in PyTorch: the strides that the result has there.

Strides count elements. They are PyTorch's, whatever the array library does: a change in place must reach the
same Tensors on every backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from numbers import Integral
from typing import Any

__all__ = ["contiguous", "expanded", "in_elements", "indexed", "is_dense", "permuted",
           "reshaped", "selects"]

Sizes = tuple[int, ...]


@lru_cache(512)
def contiguous(shape: Sizes) -> Sizes:
    """The strides of an array in C order.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@lru_cache(512)
def reshaped(old: Sizes, strides: Sizes, *, shape: Sizes) -> Sizes | None:
    """The strides after a reshape; ``None`` where it must copy.

    >>> reshaped((2, 6), (6, 1), shape=(2, 2, 3)), reshaped((6, 2), (1, 6), shape=(12,))
    ((6, 3, 1), None)
    """
    count = prod(old)
    if -1 in shape:
        known = -prod(shape)
        shape = tuple(count // known if n == -1 and known else n for n in shape)
    if strides == contiguous(old) or not count:
        return contiguous(shape)
    pairs = [(n, s) for n, s in zip(old, strides) if n != 1]
    result: list[int] = []
    axis = len(shape) - 1
    while pairs:  # blocks of old axes that lie behind each other in memory, the last block first
        size, step = pairs.pop()
        stride = step
        while pairs and pairs[-1][1] == size * step:
            size *= pairs.pop()[0]
        while axis >= 0 and (size > 1 or shape[axis] == 1):
            if size % shape[axis]:
                return None
            result.append(stride)
            stride, size, axis = stride * shape[axis], size // shape[axis], axis - 1
        if size != 1:
            return None
    result += [1] * (axis + 1)  # what is left has size 1
    return tuple(reversed(result))


@lru_cache(512)
def permuted(old: Sizes, strides: Sizes, *, axes: Sizes) -> Sizes:
    """The strides after a permutation of the axes.

    >>> permuted((2, 3), (3, 1), axes=(1, 0))
    (1, 3)
    """
    return tuple(strides[a] for a in axes)


@lru_cache(512)
def expanded(old: Sizes, strides: Sizes, *, shape: Sizes) -> Sizes:
    """The strides after `expand`: 0 along what is repeated.

    >>> expanded((3, 1), (1, 1), shape=(2, 3, 4))
    (0, 1, 0)
    """
    new = len(shape) - len(old)
    result = [s if m in (-1, n) else 0 for n, s, m in zip(old, strides, shape[new:])]
    for n in reversed(shape[:new]):
        behind = result[0] * shape[len(shape) - len(result)] if result else 1
        result.insert(0, behind if n == 1 else 0)
    return tuple(result)


@lru_cache(512)
@lru_cache(512)
def in_elements(shape: Sizes, strides: Sizes, size: int) -> Sizes:
    """Strides in elements of so many bytes; in C order where memory allows it, or elements repeat.

    >>> in_elements((1, 3), (4, 4), 4), in_elements((2, 3), (4, 8), 4)
    ((3, 1), (1, 2))
    """
    ordered = contiguous(shape)
    if 0 in strides or all(n == 1 or size * step == stride
                           for n, step, stride in zip(shape, ordered, strides)):
        return ordered
    return tuple([stride // size for stride in strides])


def is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether the elements fill a piece of memory, each once, in some order of the axes.

    >>> is_dense((2, 3), (1, 2)), is_dense((2, 3), (6, 1))
    (True, False)
    """
    expected = 1
    for step, n in sorted((s, n) for s, n in zip(strides, shape) if n != 1):
        if step != expected:
            return False
        expected *= n
    return True


def selects(index: Any) -> bool:
    """Whether an index is made of ints, slices forwards, None and ellipsis: what it gives is a view.

    >>> selects((0, slice(3), ...)), selects([0, 1])
    (True, False)
    """
    return all(e is None or e is Ellipsis or (isinstance(e, Integral) and not isinstance(e, bool))
               or (isinstance(e, slice) and (e.step is None or e.step > 0))
               for e in (index if isinstance(index, tuple) else (index,)))


def indexed(old: Sizes, strides: Sizes, *, index: Any) -> Sizes | None:
    """The strides of ``x[index]``; ``None`` where an array, or a step backwards, makes a copy of it.

    >>> indexed((4, 6), (6, 1), index=(1, slice(None, None, 2))), indexed((4,), (1,), index=[0, 1])
    ((2,), None)
    """
    entries = index if isinstance(index, tuple) else (index,)
    if not selects(index):
        return None
    used = sum(e is not None and e is not Ellipsis for e in entries)
    result: list[int] = []
    axis = 0
    for e in entries:
        if e is None:
            result.append(old[axis] * strides[axis] if axis < len(old) else 1)
        elif e is Ellipsis:
            result += strides[axis:axis + len(old) - used]
            axis += len(old) - used
        else:
            if isinstance(e, slice):
                result.append(strides[axis] * (1 if e.step is None else e.step))
            axis += 1
    return (*result, *strides[axis:])
