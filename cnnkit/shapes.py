"""The arithmetic of shapes: output size, padding, receptive field, parameters and FLOPs, in plain integers.

Letters: an input of ``(N, C, H, W)`` and a weight of ``(K, C/groups, R, S)`` give an output of ``(N, K, P, Q)``. Along
one axis ``n`` is the size, ``k s d`` are kernel size, stride and dilation; a kernel spans ``d (k - 1) + 1`` pixels.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["ReceptiveField", "Solution", "conv2d_flops", "conv2d_output_shape", "conv2d_parameters", "linear_flops",
           "linear_parameters", "output_length", "output_size", "pads", "pair", "pool2d_flops", "pool2d_output_shape",
           "receptive_field", "solve"]

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
        return _axis_pads(padding, h, k_h, s_h, d_h), _axis_pads(padding, w, k_w, s_w, d_w)
    try:
        rows, columns = padding if isinstance(padding, Iterable) else (padding, padding)
        return pair(rows, "padding", 0), pair(columns, "padding", 0)
    except (TypeError, ValueError) as error:
        raise type(error)(_no_padding(padding)) from None


def _axis_pads(padding: Any, n: int, k: int, s: int, d: int) -> Pair:
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
    before, after = _axis_pads(padding, n, k, s, d)
    count = _count(n, k, s, before, after, d, ceil_mode)
    if count < 1:
        raise ValueError(f"length={n}, kernel_size={k}, stride={s}, padding={_short((before, after))}, dilation={d}: "
                         f"the kernel is larger than the padded input. {_fit(n, k, s, (before, after), d)}")
    return count


def _count(n: int, k: int, s: int, before: int, after: int, d: int, ceil_mode: bool) -> int:
    rest = n + before + after - d * (k - 1) - 1
    if not ceil_mode:
        return rest // s + 1
    count = -(-rest // s) + 1
    return count - 1 if (count - 1) * s >= n + before else count


def _fit(n: int, k: int, s: int, padding: Pair, d: int) -> str:
    """What would make at least one window fit along an axis, in words."""
    found = _solve_axis(n, max(-(-n // s), 1), k, s, None, d)[:1] + _solve_axis(n, 1, None, s, padding, d)[:1]
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
    window = _window(padding, size, kernel_size, stride, dilation)
    return _fitting(f"{size=}, {kernel_size=}", size, kernel_size, *window, ceil_mode)


def _window(padding: Any, size: Pair, kernel_size: Pair, stride: Any, dilation: Any) -> tuple[Pair, Pads, Pair]:
    stride, dilation = pair(stride, "stride"), pair(dilation, "dilation")
    return stride, pads(padding, size, kernel_size, stride, dilation), dilation


def _fitting(got: str, size: Pair, kernel_size: Pair, stride: Pair, padding: Pads, dilation: Pair,
             ceil_mode: bool = False) -> Pair:
    """``(P, Q)``, or an error that begins with what the caller `got`."""
    axes = [*zip(("height", "width"), size, kernel_size, stride, padding, dilation)]
    p, q = (_count(n, k, s, before, after, d, ceil_mode) for _, n, k, s, (before, after), d in axes)
    if p > 0 and q > 0:
        return p, q
    text = f"{got}, {stride=}, {padding=}, {dilation=}: the kernel is larger than the padded input."
    if axes[0][1:] == axes[1][1:]:
        axes = [("height and width", *axes[0][1:])]
    for name, n, k, s, pad, d in axes:
        if n + sum(pad) < d * (k - 1) + 1:
            text += f" It spans {d * (k - 1) + 1} of {n + sum(pad)} pixels of {name}. {_fit(n, k, s, pad, d)}."
    raise ValueError(text)


class Solution(NamedTuple):
    """One answer of `solve`: arguments of `output_size`, or of `output_length` where `size` is an integer."""

    size: Any
    output_size: Any
    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any
    solved: tuple[str, ...]  # the names of the arguments that were asked for

    def __str__(self) -> str:
        found = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.solved)
        given = [f"{name}={getattr(self, name)!r}" for name in _UNKNOWNS if name not in self.solved]
        given += [f"dilation={self.dilation}"] if self.dilation != 1 else []
        return (f"{found} {'gives' if len(self.solved) == 1 else 'give'} {self.output_size} from {self.size}"
                + (f" with {', '.join(given)}" if given else ""))


_UNKNOWNS = ("kernel_size", "stride", "padding")


def solve(size: Any, output_size: Any, kernel_size: Any = None, stride: Any = None, padding: Any = None,
          dilation: Any = 1, limit: int = 8) -> list[Solution]:
    """Which kernel size, stride or padding gives a wanted output size.

    What is ``None`` is solved for. The most usual answer comes first: padding that is equal at both ends, no pixel
    skipped between windows, an odd kernel, small numbers. Of the paddings that work with one kernel and stride, only
    the smallest equal one and the smallest unequal one are listed, each end shorter than the kernel's span.

    Parameters
    ----------
    size, output_size : int or pair of int
        Along one axis, or ``(H, W)`` and ``(P, Q)``. For a pair, answers that are the same on both axes come alone if
        there are any.
    kernel_size, stride, padding : optional
        What is given, as in `output_size` (in `output_length` where `size` is an integer).
    dilation : int or pair of int
        Of the kernel.
    limit : int
        How many answers to list at most.

    Returns
    -------
    list of Solution
        Empty if there is none.

    Raises
    ------
    ValueError
        If nothing is ``None``.

    >>> for solution in solve(28, 28, kernel_size=3, stride=1) + solve((28, 56), (14, 28), padding=1, limit=2):
    ...     print(solution)
    padding=1 gives 28 from 28 with kernel_size=3, stride=1
    kernel_size=3, stride=2 give (14, 28) from (28, 56) with padding=1
    kernel_size=4, stride=2 give (14, 28) from (28, 56) with padding=1
    """
    if None not in (kernel_size, stride, padding):
        raise ValueError("solve has nothing to solve for: leave kernel_size, stride or padding as None")
    solved = tuple(name for name, v in zip(_UNKNOWNS, (kernel_size, stride, padding)) if v is None)
    n, o, d = pair(size, "size"), pair(output_size, "output_size"), pair(dilation, "dilation")
    k = (None, None) if kernel_size is None else pair(kernel_size, "kernel_size")
    s = (None, None) if stride is None else pair(stride, "stride")
    word = padding is None or isinstance(padding, str)
    if not isinstance(size, Iterable):
        return _solve_axis(n[0], o[0], k[0], s[0], padding if word else _axis_pads(padding, 0, 1, 1, 1), d[0])[:limit]
    rows, columns = (_solve_axis(*axis) for axis in zip(n, o, k, s, (padding,) * 2 if word else pads(padding, n, 1), d))
    same = {tuple(getattr(b, name) for name in solved): b for b in columns}
    found = [(a, same.get(tuple(getattr(a, name) for name in solved))) for a in rows]
    both = [(a, b) for a, b in found if b is not None]
    if not both:
        ranked = sorted((i + j, i, j) for i in range(len(rows[:limit])) for j in range(len(columns[:limit])))
        both = [(rows[i], columns[j]) for _, i, j in ranked]
    return [Solution(n, o, _both(a.kernel_size, b.kernel_size), _both(a.stride, b.stride), _both(a.padding, b.padding),
                     _both(a.dilation, b.dilation), solved) for a, b in both[:limit]]


def _solve_axis(n: int, o: int, k: int | None, s: int | None, padding: Any, d: int) -> list[Solution]:
    """The answers along one axis, the most usual first; `padding` is ``None``, ``(before, after)`` or a word."""
    solved = tuple(name for name, v in zip(_UNKNOWNS, (k, s, padding)) if v is None)
    given = padding if isinstance(padding, tuple) else None
    found = []
    for kernel in [k] if k is not None else range(1, (max(n, o) + sum(given or ()) - 1) // d + 2):
        span = d * (kernel - 1) + 1
        room = n + (sum(given) if given else 2 * (span - 1)) - span  # at most; what is left after the first window
        # a single window needs no stride, unless the kernel is given and too small to take up the rest
        most = room // (o - 1) if o > 1 else 1 if k is None else room + 1
        for step in [s] if s is not None else range(1, most + 1):
            if padding is not None:
                candidates = [_axis_pads(padding, n, kernel, step, d)]
            else:
                least = max((o - 1) * step + span - n, 0)
                totals = range(least, min((o - 1) * step + span - n + step, 2 * span - 1))[:2]
                candidates = [(total // 2, total - total // 2) for total in totals]
            for before, after in candidates:
                if _count(n, kernel, step, before, after, d, False) == o:
                    usual = (before != after, step > span, kernel % 2 == 0, kernel + step + before + after)
                    found.append((usual, kernel, step, (before, after)))
    return [Solution(n, o, kernel, step, padding if isinstance(padding, str) else _short(pad), d, solved)
            for _, kernel, step, pad in sorted(found)]


def _short(values: Pair) -> Any:
    return values[0] if values[0] == values[1] else values


def _both(a: Any, b: Any) -> Any:
    """One axis' value and the other's as one argument: a single number where that says the same."""
    return a if a == b and not isinstance(a, tuple) else (a, b)


class ReceptiveField(NamedTuple):
    """What one output pixel sees: so many input pixels, every `jump` pixels, the first one from pixel `start` on."""

    size: Pair
    jump: Pair
    start: Pair


def receptive_field(layers: Iterable[Sequence[Any]]) -> ReceptiveField:
    """The input region that one output pixel depends on.

    Araujo, Norris & Sim (2019), "Computing Receptive Fields of Convolutional Neural Networks": receptive field size,
    effective stride and effective padding (here with its sign changed), with the span of a dilated kernel for its size.

    Parameters
    ----------
    layers : iterable of tuple
        One ``(kernel_size, stride, dilation, padding)`` a layer, from the input on; what is left out at the end is 1,
        padding 0. Each is an integer or a pair; padding as in `pads`, but ``"same"`` at stride 1 only.

    Returns
    -------
    ReceptiveField
        `size` in pixels; `jump`, the input pixels from one output pixel's region to the next one's (the total stride);
        `start`, where the first output pixel's region begins (negative: in the padding). Each is (height, width).

    Raises
    ------
    ValueError
        If a layer has ``"same"`` padding and a stride, because the padding then depends on the input's size.

    >>> receptive_field([(3, 1, 1, 1), (2, 2), (3, 1, 1, 1), (2, 2)])
    ReceptiveField(size=(10, 10), jump=(4, 4), start=(-3, -3))
    """
    size, jump, start = [1, 1], [1, 1], [0, 0]
    for layer in layers:
        if not 1 <= len(layer) <= 4:
            raise ValueError(f"a layer is (kernel_size, stride, dilation, padding); got {layer!r}")
        k, s, d, padding = (*layer, *(1, 1, 1, 0)[len(layer):])  # type: ignore[misc]
        k, s, d = pair(k, "kernel_size"), pair(s, "stride"), pair(d, "dilation")
        if padding == "same" and s != (1, 1):
            raise ValueError(f"padding='same' with stride={s} depends on the input's size; give it in numbers, from "
                             "shapes.pads('same', size, kernel_size, stride, dilation)")
        padding = pads(padding, (1, 1), k, s, d)
        for axis in (0, 1):
            size[axis] += d[axis] * (k[axis] - 1) * jump[axis]
            start[axis] -= padding[axis][0] * jump[axis]
            jump[axis] *= s[axis]
    return ReceptiveField((size[0], size[1]), (jump[0], jump[1]), (start[0], start[1]))


def conv2d_parameters(in_channels: int, out_channels: int, kernel_size: Any, groups: int = 1, bias: bool = True) -> int:
    """Trainable numbers of a convolution: ``R S C/groups K + K`` (guide, "Convolutional Layer Parameters").

    >>> conv2d_parameters(3, 8, 3), conv2d_parameters(8, 16, 3)
    (224, 1168)
    """
    r, s = pair(kernel_size, "kernel_size")
    if groups < 1 or in_channels % groups or out_channels % groups:
        raise ValueError(_groups(in_channels, out_channels, groups))
    return r * s * (in_channels // groups) * out_channels + (out_channels if bias else 0)


def linear_parameters(in_features: int, out_features: int, bias: bool = True) -> int:
    """Trainable numbers of a dense layer: ``inputs x outputs + outputs`` (guide, "Dense Layer Parameters").

    >>> linear_parameters(8 * 14 * 14, 128), linear_parameters(128, 10)
    (200832, 1290)
    """
    return in_features * out_features + (out_features if bias else 0)


def conv2d_flops(in_channels: int, out_channels: int, kernel_size: Any, output_size: Any, groups: int = 1) -> int:
    """Floating-point operations of a convolution's forward pass, for one image.

    A multiplication is one and an addition is one, so a multiply-add is two: ``2 R S C/groups K P Q``. A bias is where
    the sum starts and costs nothing more; padded zeros count like pixels.

    >>> conv2d_flops(3, 8, 3, output_size=(28, 56))
    677376
    """
    p, q = pair(output_size, "output_size")
    return 2 * p * q * conv2d_parameters(in_channels, out_channels, kernel_size, groups, bias=False)


def linear_flops(in_features: int, out_features: int) -> int:
    """Floating-point operations of a dense layer's forward pass, for one row; counted as in `conv2d_flops`.

    >>> linear_flops(128, 10)
    2560
    """
    return 2 * in_features * out_features


def pool2d_flops(channels: int, kernel_size: Any, output_size: Any) -> int:
    """Floating-point operations of a pooling's forward pass, for one image: ``R S C P Q``.

    A comparison is one, like an addition or a division. A maximum compares each pixel with the greatest so far; an
    average adds ``R S - 1`` times and divides once.

    >>> pool2d_flops(8, 2, output_size=(14, 28))
    12544
    """
    (r, s), (p, q) = pair(kernel_size, "kernel_size"), pair(output_size, "output_size")
    return channels * r * s * p * q


def conv2d_output_shape(input_shape: Sequence[int], weight_shape: Sequence[int], stride: Any = (1, 1),
                        padding: Any = ((0, 0), (0, 0)), dilation: Any = (1, 1), groups: int = 1,
                        op: str = "conv2d") -> tuple[int, int, int, int]:
    """The shape ``(N, K, P, Q)`` that a convolution makes, checked; quick where `pads` and `pair` were already applied.

    Parameters
    ----------
    input_shape, weight_shape : tuple of int
        ``(N, C, H, W)`` and ``(K, C/groups, R, S)``.
    stride, padding, dilation
        As in `output_size`.
    groups : int
        Channels are convolved in so many separate groups.
    op : str
        What the error calls the operation.

    Raises
    ------
    ValueError
        If the shapes do not fit each other, `groups` does not divide the channels, or the kernel is larger than the
        padded input. The message names the shapes and what would fit.

    >>> conv2d_output_shape((32, 3, 28, 56), (8, 3, 3, 3), padding="same")
    (32, 8, 28, 56)
    """
    try:
        (n, c, h, w), (k, c_group, r, s) = input_shape, weight_shape
        (s_h, s_w), (d_h, d_w), ((top, bottom), (left, right)) = stride, dilation, padding
        p = (h + top + bottom - d_h * (r - 1) - 1) // s_h + 1
        q = (w + left + right - d_w * (s - 1) - 1) // s_w + 1
        if c == c_group * groups and groups > 0 and k % groups == 0 and min(p, q, r, s, s_h, s_w, d_h, d_w) > 0:
            return n, k, p, q
    except (TypeError, ValueError, ZeroDivisionError):
        pass  # not canonical, or not valid
    n, c, h, w = _images(input_shape, op)
    if len(weight_shape) != 4:
        raise ValueError(f"{op} takes a weight of shape (K, C/groups, R, S); got {tuple(weight_shape)}")
    k, c_group, *kernel_size = weight_shape
    got = f"input shape {tuple(input_shape)}, weight shape {tuple(weight_shape)}"
    if groups < 1 or c % groups or k % groups:
        raise ValueError(f"{op} got {got}: {_groups(c, k, groups)}")
    if c != c_group * groups:
        raise ValueError(f"{op} got {got}, {groups=}: the input has {_channels(c)}, but the weight takes "
                         f"{c_group * groups}. Give an input of {_channels(c_group * groups)}, or a weight of shape "
                         f"{(k, c // groups, *kernel_size)}")
    kernel = pair(kernel_size, "kernel_size")
    p, q = _fitting(f"{op} got {got}", (h, w), kernel, *_window(padding, (h, w), kernel, stride, dilation))
    return n, k, p, q


def pool2d_output_shape(input_shape: Sequence[int], kernel_size: Any, stride: Any = None,
                        padding: Any = ((0, 0), (0, 0)), dilation: Any = (1, 1), ceil_mode: bool = False,
                        op: str = "pool2d") -> tuple[int, int, int, int]:
    """The shape ``(N, C, P, Q)`` that a pooling makes, checked; quick where `pads` and `pair` were already applied.

    Parameters
    ----------
    input_shape : tuple of int
        ``(N, C, H, W)``.
    kernel_size, stride, padding, dilation, ceil_mode
        As in `output_size`; `stride` is the kernel's size where it is ``None``.
    op : str
        What the error calls the operation.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded input, or the padding than half of what the kernel spans (PyTorch's rule
        where nothing is dilated; there it leaves no room for ``"same"``). The message names what would fit.

    >>> pool2d_output_shape((32, 8, 28, 56), 2)
    (32, 8, 14, 28)
    """
    try:
        n, c, h, w = input_shape
        (k_h, k_w), (s_h, s_w), (d_h, d_w), ((top, bottom), (left, right)) = kernel_size, stride, dilation, padding
        p = _count(h, k_h, s_h, top, bottom, d_h, ceil_mode)
        q = _count(w, k_w, s_w, left, right, d_w, ceil_mode)
        half_h, half_w = (d_h * (k_h - 1) + 1) // 2, (d_w * (k_w - 1) + 1) // 2
        if (top <= half_h and bottom <= half_h and left <= half_w and right <= half_w
                and min(p, q, k_h, k_w, s_h, s_w, d_h, d_w) > 0):
            return n, c, p, q
    except (TypeError, ValueError, ZeroDivisionError):
        pass  # not canonical, or not valid
    n, c, h, w = _images(input_shape, op)
    kernel = pair(kernel_size, "kernel_size")
    stride, padding, dilation = _window(padding, (h, w), kernel, kernel if stride is None else stride, dilation)
    half = tuple((d * (k - 1) + 1) // 2 for k, d in zip(kernel, dilation))
    if max(padding[0]) > half[0] or max(padding[1]) > half[1]:
        raise ValueError(f"{op} got {padding=}, kernel_size={kernel}, {dilation=}: padding may be at most half of "
                         f"what the kernel spans. Use padding={half} or less, or a larger kernel")
    got = f"{op} got input shape {tuple(input_shape)}, kernel_size={kernel}"
    p, q = _fitting(got, (h, w), kernel, stride, padding, dilation, ceil_mode)
    return n, c, p, q


def _images(shape: Sequence[int], op: str) -> tuple[int, int, int, int]:
    if len(shape) != 4:
        raise ValueError(f"{op} takes images of shape (N, C, H, W); got {tuple(shape)}. Reshape the input: one image "
                         "is (1, C, H, W), and grey images are (N, 1, H, W)")
    return shape[0], shape[1], shape[2], shape[3]


def _channels(count: int) -> str:
    return f"{count} channel{'' if count == 1 else 's'}"


def _groups(c: int, k: int, groups: int) -> str:
    divisors = ", ".join(str(g) for g in range(1, math.gcd(c, k) + 1) if c % g == 0 and k % g == 0)
    return (f"groups={groups} must divide the {_channels(c)} of the input and the {_channels(k)} of the output. "
            f"Use one of groups={divisors}, or other numbers of channels")
