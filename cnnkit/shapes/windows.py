"""Windows along an image: arguments in any accepted form, padding, and the number of windows."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

Sizes = tuple[int, ...]  # one number for each spatial axis
Pair = tuple[int, int]   # amounts before and after one axis
Pads = tuple[Pair, ...]
# names of the spatial axes, by rank
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
NUMBERS = {1: "one integer", 2: "a pair of integers", 3: "three integers"}


def per_axis(value: Any, name: str, minimum: int = 1, rank: int = 2) -> Sizes:
    """One integer for all spatial axes, or one for each, as a tuple of one for each.

    Parameters
    ----------
    value : int or tuple of int
        The argument as the user passed it.
    name : str
        The argument's name, for the error.
    minimum : int
        The smallest value that makes sense.
    rank : int
        How many spatial axes there are.

    Raises
    ------
    TypeError, ValueError
        If `value` is no integer and no tuple of one or `rank` integers, or is too small.

    >>> per_axis(3, "kernel_size"), per_axis((1, 2), "stride"), per_axis(2, "dilation", rank=3)
    ((3, 3), (1, 2), (2, 2, 2))
    """
    if type(value) is int:
        sizes: Sizes = (value,) * rank
    elif type(value) is tuple and len(value) == rank and all(type(i) is int for i in value):
        sizes = value
    else:
        try:
            items = tuple(value) if isinstance(value, Iterable) else (value,) * rank
            if any(isinstance(i, bool) for i in items):
                raise TypeError
            sizes = tuple(map(operator.index, items))
        except TypeError:
            raise TypeError(_not_per_axis(value, name, minimum, rank)) from None
        if len(sizes) == 1:  # as PyTorch has it: a sequence of one is for every axis
            sizes = sizes * rank
        if len(sizes) != rank:
            raise ValueError(_not_per_axis(value, name, minimum, rank))
    if min(sizes) < minimum:
        raise ValueError(_not_per_axis(value, name, minimum, rank))
    return sizes


def _not_per_axis(value: Any, name: str, minimum: int, rank: int) -> str:
    smallest = max(minimum, 1)
    example = (smallest, *(max(minimum, 2),) * (rank - 1))
    return (f"{name} must be an integer or {NUMBERS.get(rank, f'{rank} integers')}, each at least {minimum}; "
            f"got {value!r}. Use for example {name}={smallest} or {name}={example}")


def pads(padding: Any, size: Any, kernel_size: Any, stride: Any = 1, dilation: Any = 1,
         rank: int = 2) -> Pads:
    """Padding in any of its spellings as one pair for each spatial axis: ``((top, bottom), (left, right))``.

    Parameters
    ----------
    padding : int, tuple of int, tuple of pairs, "same" or "valid"
        Of two axes, a pair is ``(height, width)``, a pair of pairs ``((top, bottom), (left, right))``.
        ``"same"`` makes the output ``ceil(n / stride)``, with the extra pixel at the bottom and right;
        ``"valid"`` adds nothing (guide, 3.1).
    size : int or tuple of int
        ``(H, W)`` of the input; only ``"same"`` reads it.
    kernel_size, stride, dilation : int or tuple of int
        Of the window; only ``"same"`` reads them.
    rank : int
        How many spatial axes there are.

    Raises
    ------
    TypeError, ValueError
        If `padding` is none of these, or negative.

    >>> pads(1, (28, 28), 3), pads("same", (28, 28), 3, stride=2), pads(2, 28, 5, rank=1)
    (((1, 1), (1, 1)), ((0, 1), (0, 1)), ((2, 2),))
    """
    if type(padding) is int and padding >= 0:
        return ((padding, padding),) * rank
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * rank
        axes = zip(per_axis(size, "size", 0, rank),
                   *(per_axis(value, name, 1, rank) for name, value in
                     (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))))
        return tuple(axis_pads(padding, *axis) for axis in axes)
    try:
        amounts = tuple(padding) if isinstance(padding, Iterable) else (padding,) * rank
        if len(amounts) == 1:
            amounts = amounts * rank
        if len(amounts) != rank:
            raise ValueError
        return tuple((per_axis(amount, "padding", 0)[0], per_axis(amount, "padding", 0)[1])
                     for amount in amounts)
    except (TypeError, ValueError) as error:
        raise type(error)(_no_padding(padding, rank)) from None


def axis_pads(padding: Any, n: int, k: int, s: int, d: int) -> Pair:
    """Padding along one axis as ``(before, after)``; a pair is ``(before, after)`` here."""
    if not isinstance(padding, str):
        before, after = per_axis(padding, "padding", 0)
        return before, after
    if padding == "valid":
        return 0, 0
    if padding == "same":
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        return total // 2, total - total // 2
    raise ValueError(_no_padding(padding))


def _no_padding(padding: Any, rank: int = 2) -> str:
    if rank == 2:
        forms = "a pair (height, width), a pair of pairs ((top, bottom), (left, right))"
    else:
        forms = (f"one for each axis ({', '.join(AXES.get(rank, ('...',)))}), a pair (before, "
                 "after) for each axis")
    return (f"padding must be an integer, {forms}, all at least 0, or 'same' or 'valid'; got {padding!r}. "
            "Use for example padding=1 or padding='same'")


def window_count(n: int, k: int, s: int, before: int, after: int, d: int, ceil_mode: bool) -> int:
    reach = n + before + after - d * (k - 1) - 1
    if not ceil_mode:
        return reach // s + 1
    count = -(-reach // s) + 1
    return count - 1 if (count - 1) * s >= n + before else count


def canonical_window(padding: Any, size: Sizes, kernel_size: Sizes, stride: Any,
                     dilation: Any) -> tuple[Sizes, Pads, Sizes]:
    rank = len(size)
    stride, dilation = per_axis(stride, "stride", 1, rank), per_axis(dilation, "dilation", 1, rank)
    return stride, pads(padding, size, kernel_size, stride, dilation, rank), dilation
