"""Sizes along an image: padding, and how many windows fit (guide, "Output Shape Calculation")."""

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
        A pair is ``(height, width)``, a pair of pairs ``((top, bottom), (left, right))``. ``"same"`` makes the output
        ``ceil(n / stride)``, with the extra pixel at the bottom and right; ``"valid"`` adds nothing (guide, 3.1).
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
    return ("padding must be an integer, a pair (height, width), a pair of pairs ((top, bottom), (left, right)), all "
            f"at least 0, or 'same' or 'valid'; got {padding!r}. Use for example padding=1 or padding='same'")


def output_length(length: int, kernel_size: int, stride: int = 1, padding: Any = 0, dilation: int = 1,
                  ceil_mode: bool = False) -> int:
    """How many positions a window takes along one axis.

    ``floor((n + before + after - d (k - 1) - 1) / s) + 1`` (guide, 3.1, which omits the floor).

    Parameters
    ----------
    length : int
        Size of the input along the axis.
    kernel_size, stride, dilation : int
        Of the window.
    padding : int, pair ``(before, after)``, "same" or "valid"
        Pixels added at the two ends.
    ceil_mode : bool
        Round up: keep a last window that hangs over the end. As in PyTorch, it must start inside the input or the
        leading padding.

    Raises
    ------
    ValueError
        If not one window fits; the message proposes what would.

    >>> output_length(5, 3), output_length(6, 3, stride=2), output_length(6, 3, stride=2, ceil_mode=True)
    (3, 2, 3)
    """
    n, k, s, d = (pair(v, name, least)[0] for v, name, least in (
        (length, "length", 0), (kernel_size, "kernel_size", 1), (stride, "stride", 1), (dilation, "dilation", 1)))
    before, after = axis_pads(padding, n, k, s, d)
    count = window_count(n, k, s, before, after, d, ceil_mode)
    if count < 1:
        from cnnkit.shapes.solving import collapsed

        raise ValueError(f"length={n}, kernel_size={k}, stride={s}, padding={collapsed((before, after))}, dilation={d}: "
                         f"the kernel is larger than the padded input. {_fit(n, k, s, (before, after), d)}")
    return count


def window_count(n: int, k: int, s: int, before: int, after: int, d: int, ceil_mode: bool) -> int:
    rest = n + before + after - d * (k - 1) - 1
    if not ceil_mode:
        return rest // s + 1
    count = -(-rest // s) + 1
    return count - 1 if (count - 1) * s >= n + before else count


def _fit(n: int, k: int, s: int, padding: Pair, d: int) -> str:
    """What would make at least one window fit along an axis, in words."""
    from cnnkit.shapes.solving import solve_axis

    found = solve_axis(n, max(-(-n // s), 1), k, s, None, d)[:1] + solve_axis(n, 1, None, s, padding, d)[:1]
    return f"What fits: {'; '.join(map(str, found))}"


def output_size(size: Any, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                ceil_mode: bool = False) -> Pair:
    """The ``(P, Q)`` that a convolution or a pooling makes of ``(H, W)``; `output_length` on both axes.

    Parameters
    ----------
    size, kernel_size, stride, dilation : int or pair of int
        Of the input, and of the window.
    padding : int, pair, pair of pairs, "same" or "valid"
        As in `pads`.
    ceil_mode : bool
        As in `output_length`.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded input; the message proposes what would fit.

    >>> output_size((5, 5), 3), output_size((28, 56), 3, padding="same"), output_size((28, 28), 2, stride=2)
    ((3, 3), (28, 56), (14, 14))
    """
    size, kernel_size = pair(size, "size", 0), pair(kernel_size, "kernel_size")
    window = canonical_window(padding, size, kernel_size, stride, dilation)
    return fitting_size(f"{size=}, {kernel_size=}", size, kernel_size, *window, ceil_mode)


def canonical_window(padding: Any, size: Pair, kernel_size: Pair, stride: Any, dilation: Any) -> tuple[Pair, Pads, Pair]:
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    return stride, pads(padding, size, kernel_size, stride, dilation), dilation


def fitting_size(got: str, size: Pair, kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair,
             ceil_mode: bool = False) -> Pair:
    """``(P, Q)``, or an error that begins with what the caller `got`."""
    axes = [*zip(("height", "width"), size, kernel_size, stride, padding, dilation)]
    p, q = (window_count(n, k, s, before, after, d, ceil_mode) for _, n, k, s, (before, after), d in axes)
    if p > 0 and q > 0:
        return p, q
    text = f"{got}, {stride=}, {padding=}, {dilation=}: the kernel is larger than the padded input."
    if axes[0][1:] == axes[1][1:]:
        axes = [("height and width", *axes[0][1:])]
    for name, n, k, s, pad, d in axes:
        if n + sum(pad) < d * (k - 1) + 1:
            text += f" It spans {d * (k - 1) + 1} of {n + sum(pad)} pixels of {name}. {_fit(n, k, s, pad, d)}."
    raise ValueError(text)
