"""Windows along an image: their arguments in any spelling, padding, and how many there are."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]


def pair(value: Any, name: str, minimum: int = 1) -> Pair:
    """An argument that is one integer for both axes, or a pair, as a pair.

    Parameters
    ----------
    value : int or pair of int
        What the user passed.
    name : str
        What the argument is called, for the error.
    minimum : int
        The smallest value that makes sense.

    Raises
    ------
    TypeError, ValueError
        If `value` is no integer and no pair of integers, or is too small.

    >>> pair(3, "kernel_size"), pair((1, 2), "stride")
    ((3, 3), (1, 2))
    """
    if type(value) is int:
        a = b = value
    elif type(value) is tuple and len(value) == 2 and type(value[0]) is int and type(value[1]) is int:
        a, b = value
    else:
        try:
            items = tuple(value) if isinstance(value, Iterable) else (value, value)
            if any(isinstance(i, bool) for i in items):
                raise TypeError
            items = tuple(map(operator.index, items))
        except TypeError:
            raise TypeError(_not_a_pair(value, name, minimum)) from None
        if len(items) != 2:
            raise ValueError(_not_a_pair(value, name, minimum))
        a, b = items
    if a < minimum or b < minimum:
        raise ValueError(_not_a_pair(value, name, minimum))
    return a, b


def _not_a_pair(value: Any, name: str, minimum: int) -> str:
    return (f"{name} must be an integer or a pair of integers, each at least {minimum}; got {value!r}. "
            f"Use for example {name}={max(minimum, 1)} or {name}=({max(minimum, 1)}, {max(minimum, 2)})")


def pads(padding: Any, size: Any, kernel_size: Any, stride: Any = 1, dilation: Any = 1) -> Pads:
    """Padding in any of its spellings as ``((top, bottom), (left, right))``.

    Parameters
    ----------
    padding : int, pair, pair of pairs, "same" or "valid"
        A pair is ``(height, width)``, a pair of pairs ``((top, bottom), (left, right))``. ``"same"`` makes
        the output ``ceil(n / stride)``, with the extra pixel at the bottom and right; ``"valid"`` adds
        nothing (guide, 3.1).
    size : int or pair of int
        ``(H, W)`` of the input; only ``"same"`` reads it.
    kernel_size, stride, dilation : int or pair of int
        Of the window; only ``"same"`` reads them.

    Raises
    ------
    TypeError, ValueError
        If `padding` is none of these, or negative.

    >>> pads(1, (28, 28), 3), pads("same", (28, 28), 3, stride=2)
    (((1, 1), (1, 1)), ((0, 1), (0, 1)))
    """
    if type(padding) is int and padding >= 0:
        return (padding, padding), (padding, padding)
    if isinstance(padding, str):
        if padding == "valid":
            return (0, 0), (0, 0)
        (h, w), (k_h, k_w) = pair(size, "size", 0), pair(kernel_size, "kernel_size")
        (s_h, s_w), (d_h, d_w) = pair(stride, "stride"), pair(dilation, "dilation")
        return axis_pads(padding, h, k_h, s_h, d_h), axis_pads(padding, w, k_w, s_w, d_w)
    try:
        rows, columns = padding if isinstance(padding, Iterable) else (padding, padding)
        return pair(rows, "padding", 0), pair(columns, "padding", 0)
    except (TypeError, ValueError) as error:
        raise type(error)(_no_padding(padding)) from None


def axis_pads(padding: Any, n: int, k: int, s: int, d: int) -> Pair:
    """Padding along one axis as ``(before, after)``; a pair is ``(before, after)`` here."""
    if not isinstance(padding, str):
        return pair(padding, "padding", 0)
    if padding == "valid":
        return 0, 0
    if padding == "same":
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        return total // 2, total - total // 2
    raise ValueError(_no_padding(padding))


def _no_padding(padding: Any) -> str:
    return ("padding must be an integer, a pair (height, width), a pair of pairs ((top, bottom), "
            f"(left, right)), all at least 0, or 'same' or 'valid'; got {padding!r}. Use for example "
            "padding=1 or padding='same'")


def window_count(n: int, k: int, s: int, before: int, after: int, d: int, ceil_mode: bool) -> int:
    rest = n + before + after - d * (k - 1) - 1
    if not ceil_mode:
        return rest // s + 1
    count = -(-rest // s) + 1
    return count - 1 if (count - 1) * s >= n + before else count


def canonical_window(padding: Any, size: Pair, kernel_size: Pair, stride: Any,
                     dilation: Any) -> tuple[Pair, Pads, Pair]:
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    return stride, pads(padding, size, kernel_size, stride, dilation), dilation
