"""Padding on Tensors: with a number, or with the Tensor's own elements."""

from __future__ import annotations

from collections.abc import Sequence

from cnnkit.autograd import Tensor, apply
from cnnkit.ops import padding, shaping

__all__ = ["pad"]


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Pad a Tensor, or take elements away.

    Parameters
    ----------
    input : Tensor
        Any shape.
    pad : sequence of int
        Amounts before and after, the last axis first: ``(left, right)``, ``(left, right, top, bottom)`` and
        so on. Negative amounts take elements away.
    mode : {"constant", "reflect", "replicate", "circular"}
        New elements are `value`; those of the input mirrored at its first and last, which are not repeated;
        its first or last again and again; or those of the other end, as if the axis were a circle.
    value : float, optional
        The value of new elements in the mode ``"constant"``; 0 by default.

    Raises
    ------
    ValueError
        If there are more pairs than axes, an odd number of amounts, or more is taken away than there is; if
        an axis is too short to be mirrored or wrapped around; if there is no such mode, or one with a value.

    >>> import cnnkit
    >>> pad(cnnkit.tensor([[1.0]]), (0, 1, 1, 0))
    tensor([[0., 0.],
            [1., 0.]])
    >>> x = cnnkit.tensor([1, 2, 3])
    >>> [pad(x, (2, 1), mode).tolist() for mode in ("reflect", "replicate", "circular")]
    [[3, 2, 1, 2, 3, 2], [1, 1, 1, 2, 3, 3], [2, 3, 1, 2, 3, 1]]
    """
    shape, amounts = input.shape, tuple(pad)
    if len(amounts) % 2 or len(amounts) > 2 * len(shape):
        raise ValueError("pad needs a pair of amounts for each of the last axes, the last first; "
                         f"got {amounts} for shape {shape}")
    pairs = [(0, 0)] * len(shape)
    for i in range(len(amounts) // 2):
        pairs[-1 - i] = before, after = amounts[2 * i], amounts[2 * i + 1]
        if shape[-1 - i] + min(before, 0) + min(after, 0) < 0 and mode == "constant":
            raise ValueError(f"pad by {(before, after)} takes more than axis "
                             f"{len(shape) - 1 - i} of shape {shape} has")
    if mode == "constant":
        return apply(shaping.pad, input, pads=tuple(pairs), value=0 if value is None else value)
    if value:
        raise ValueError(f"pad with mode={mode!r} takes elements of the input; leave out {value=}")
    return apply(padding.pad_edges, input, pads=tuple(pairs), mode=mode)
