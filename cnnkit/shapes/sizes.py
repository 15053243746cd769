"""Sizes along an image: how many windows fit, or what would fit (guide, "Output Shape Calculation")."""

from __future__ import annotations

from typing import Any

from cnnkit.shapes.solving import collapsed, solve_axis
from cnnkit.shapes.windows import AXES, Pads, Pair, Sizes, axis_pads, canonical_window, per_axis, window_count


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
        Round up: keep a last window that hangs over the end. As in PyTorch, it must start inside the input or
        the leading padding.

    Raises
    ------
    ValueError
        If not one window fits; the message proposes what would.

    >>> output_length(5, 3), output_length(6, 3, stride=2), output_length(6, 3, stride=2, ceil_mode=True)
    (3, 2, 3)
    """
    n, k, s, d = (per_axis(value, name, minimum, 1)[0] for value, name, minimum in (
        (length, "length", 0), (kernel_size, "kernel_size", 1), (stride, "stride", 1),
        (dilation, "dilation", 1)))
    before, after = axis_pads(padding, n, k, s, d)
    count = window_count(n, k, s, before, after, d, ceil_mode)
    if count < 1:
        raise ValueError(f"length={n}, kernel_size={k}, stride={s}, "
                         f"padding={collapsed((before, after))}, dilation={d}: "
                         f"the kernel is larger than the padded input. {_fit(n, k, s, (before, after), d)}")
    return count


def _fit(n: int, k: int, s: int, padding: Pair, d: int) -> str:
    """What would make at least one window fit along an axis, in words."""
    solutions = solve_axis(n, max(-(-n // s), 1), k, s, None, d)[:1]
    solutions += solve_axis(n, 1, None, s, padding, d)[:1]
    return f"What fits: {'; '.join(map(str, solutions))}"


def output_size(size: Any, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                ceil_mode: bool = False, rank: int = 2) -> Sizes:
    """The ``(P, Q)`` that a convolution or a pooling makes of ``(H, W)``; `output_length` on each axis.

    Parameters
    ----------
    size, kernel_size, stride, dilation : int or tuple of int
        Of the input, and of the window.
    padding : int, tuple of int, tuple of pairs, "same" or "valid"
        As in `pads`.
    ceil_mode : bool
        As in `output_length`.
    rank : int
        How many spatial axes there are.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded input; the message proposes what would fit.

    >>> output_size((5, 5), 3), output_size((28, 56), 3, padding="same"), output_size((28, 28), 2, stride=2)
    ((3, 3), (28, 56), (14, 14))
    """
    size, kernel_size = per_axis(size, "size", 0, rank), per_axis(kernel_size, "kernel_size", 1, rank)
    window = canonical_window(padding, size, kernel_size, stride, dilation)
    return fitting_size(f"{size=}, {kernel_size=}", size, kernel_size, *window, ceil_mode)


def fitting_size(call: str, size: Sizes, kernel_size: Sizes, stride: Sizes, padding: Pads, dilation: Sizes,
                 ceil_mode: bool = False) -> Sizes:
    """``(P, Q)``, or an error that begins with `call`: the arguments that the caller got."""
    names = AXES.get(len(size), tuple(f"axis {axis}" for axis in range(len(size))))
    axes = [*zip(names, size, kernel_size, stride, padding, dilation)]
    counts = tuple(window_count(n, k, s, before, after, d, ceil_mode) for _, n, k, s, (before, after),
                   d in axes)
    if min(counts) > 0:
        return counts
    text = f"{call}, {stride=}, {padding=}, {dilation=}: the kernel is larger than the padded input."
    if len(axes) > 1 and all(axis[1:] == axes[0][1:] for axis in axes):
        axes = [(" and ".join((", ".join(names[:-1]), names[-1])), *axes[0][1:])]
    for name, n, k, s, pad, d in axes:
        if n + sum(pad) < d * (k - 1) + 1:
            text += (f" It spans {d * (k - 1) + 1} of {n + sum(pad)} pixels of {name}. "
                     f"{_fit(n, k, s, pad, d)}.")
    raise ValueError(text)
