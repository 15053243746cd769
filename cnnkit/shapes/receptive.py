"""The receptive field: which part of the image one output sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cnnkit.shapes.windows import Pair, pads, per_axis


class ReceptiveField(NamedTuple):
    """The input pixels that an output pixel depends on: `size` pixels from `start` on, `jump` to the next."""

    size: Pair
    jump: Pair
    start: Pair


def receptive_field(layers: Iterable[Sequence[Any]]) -> ReceptiveField:
    """The input region that one output pixel depends on.

    Araujo, Norris & Sim (2019), "Computing Receptive Fields of Convolutional Neural Networks": receptive
    field size, effective stride and effective padding (here with its sign changed), with the span of a
    dilated kernel for its size.

    Parameters
    ----------
    layers : iterable of tuple
        One ``(kernel_size, stride, dilation, padding)`` a layer, from the input on; a value left out at
        the end is 1, padding 0. Each is an integer or a pair; padding as in `pads`, but ``"same"`` at
        stride 1 only.

    Returns
    -------
    ReceptiveField
        `size` in pixels; `jump`, the input pixels from one output pixel's region to the next one's (the total
        stride); `start`, where the first output pixel's region begins (negative: in the padding). Each is
        (height, width).

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
        k, s, d = per_axis(k, "kernel_size"), per_axis(s, "stride"), per_axis(d, "dilation")
        if padding == "same" and s != (1, 1):
            raise ValueError(f"padding='same' with stride={s} depends on the input's size; give it in "
                             "numbers, from shapes.pads('same', size, kernel_size, stride, dilation)")
        padding = pads(padding, (1, 1), k, s, d)
        for axis in (0, 1):
            size[axis] += d[axis] * (k[axis] - 1) * jump[axis]
            start[axis] -= padding[axis][0] * jump[axis]
            jump[axis] *= s[axis]
    return ReceptiveField((size[0], size[1]), (jump[0], jump[1]), (start[0], start[1]))
