"""Connectionist temporal classification: the loss of a sequence whose alignment with its frames is unknown.

Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML 2006; the numbers of
its equations are in comments. A path names a class or a blank for each frame; it spells the labels once
repetitions and then blanks are left out. All N sequences run at once over states ``blank, label, blank,
label, ..., blank``, 2 S + 1 of them. Logarithms that are minus infinity are `LOW`, so that nothing becomes
NaN on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.foreign import device_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import need_floating
from cnnkit.ops.gathering import take_along_axis

Array = Any

LOW = -1e30  # a logarithm of 0; sums of thousands stay float32's
NEVER = 1e29  # a loss beyond it has no path


def _infer(shapes: Sequence, dtypes: Sequence, *, blank: int, zero_infinity: bool) -> tuple:
    need_floating("ctc", dtypes[0])
    _, N, C = shapes[0]
    if not 0 <= blank < C:
        raise ValueError(f"blank must be in label range: 0 to {C - 1}, got {blank}")
    return (((N,), dtypes[0]),)


@op(infer=_infer, sums=True)
def ctc(log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, *,
        needs: Sequence[bool], blank: int, zero_infinity: bool) -> tuple:
    """The negative log-likelihood of each sequence's labels.

    `log_probs` is (T, N, C), `targets` (N, S), and each of the lengths (N,).

    The gradient is PyTorch's: that with respect to what the log-softmax was made of, the same behind it.
    """
    xp, device = namespace_of(log_probs), device_of(log_probs)
    T, N, C = log_probs.shape
    S = targets.shape[1]
    L = 2 * S + 1
    states = xp.arange(L, dtype=targets.dtype, device=device)
    blanks = xp.full((N, S), blank, dtype=targets.dtype, device=device)
    classes = xp.concat([xp.reshape(xp.stack([blanks, targets], axis=2), (N, 2 * S)),
                         xp.full((N, 1), blank, dtype=targets.dtype, device=device)], axis=1)
    leaps = xp.zeros((N, min(2, L)), dtype=xp.bool, device=device)
    if S:  # between two different labels the blank may be left out
        leaps = xp.concat([leaps, (classes[:, 2:] != blank) & (classes[:, 2:] != classes[:, :-2])], axis=1)
    column = xp.reshape(target_lengths, (N, 1))
    last = (states == 2 * column) | ((states == 2 * column - 1) & (column > 0))
    clipped = xp.clip(log_probs, LOW, None)
    (on_states,), _ = take_along_axis(clipped, xp.reshape(classes, (1, N, L)), axis=2)
    frames = [on_states[t, :, :] for t in range(T)]

    def low(*shape: int) -> Array:
        return xp.full(shape, LOW, dtype=log_probs.dtype, device=device)

    def moved(state: Array, by: int) -> Array:
        """The neighbour's value in place of each state's; there is none beyond the ends."""
        by = min(by, L)
        return xp.concat([low(N, by), state[:, :L - by]], axis=1)

    def turned(state: Array) -> Array:
        return xp.flip(state, axis=1)

    forward: list[Array] = []  # alpha, eqs 5 to 7
    for t, frame in enumerate(frames):
        state = (xp.where(states < 2, frame, low(N, L)) if not t else frame + _log_sum(
            xp, forward[-1], moved(forward[-1], 1), xp.where(leaps, moved(forward[-1], 2), low(1, 1))))
        forward.append(state)
    losses = xp.where(target_lengths == 0, xp.zeros((N,), dtype=log_probs.dtype, device=device), -low(1))
    for t, state in enumerate(forward):  # eq 8
        ends = xp.where(last, state, low(1, 1))
        losses = xp.where(input_lengths == t + 1, -_log_sum_along(xp, ends), losses)
    dead = losses > NEVER
    infinite = xp.asarray(0.0 if zero_infinity else float("inf"), dtype=log_probs.dtype, device=device)
    y = xp.where(dead, infinite, losses)
    if not needs[0]:
        return y, None

    def backward(dy: Array) -> tuple:
        members = xp.astype(xp.reshape(classes, (N, L, 1)) == xp.arange(
            C, dtype=classes.dtype, device=device), log_probs.dtype)
        ahead, shares, leaps_ahead = low(N, L), [], turned(leaps)
        spoilt = xp.reshape(dead, (N, 1))
        for t in range(T - 1, -1, -1):  # beta, eqs 9 to 11
            back = turned(ahead)
            sum_ahead = turned(_log_sum(xp, back, moved(back, 1), moved(
                xp.where(leaps_ahead, back, low(1, 1)), 2)))
            begins = xp.reshape(input_lengths == t + 1, (N, 1))
            ahead = frames[t] + xp.where(begins, xp.where(last, low(1, 1) * 0, low(1, 1)), sum_ahead)
            on_path = xp.exp(forward[t] + ahead - frames[t] + xp.where(
                spoilt, low(1, 1), xp.reshape(losses, (N, 1))))
            share = xp.matmul(xp.reshape(on_path, (N, 1, L)), members)
            shares.append(xp.reshape(share, (N, C)))
        shares.reverse()
        dx = xp.exp(log_probs) - xp.stack(shares)  # eq 16
        none = xp.zeros((1, 1, 1), dtype=dx.dtype, device=device)
        dx = xp.where(xp.reshape(dead, (1, N, 1)), none if zero_infinity else none + float("nan"), dx)
        frame = xp.arange(T, dtype=input_lengths.dtype, device=device)
        inside = xp.reshape(frame, (T, 1, 1)) < xp.reshape(input_lengths, (1, N, 1))
        return xp.where(inside, dx, none) * xp.reshape(dy, (1, N, 1)), None, None, None
    return y, backward


def _log_sum(xp: Any, *values: Array) -> Array:
    """log(exp(a) + exp(b) + ...), element by element."""
    top = values[0]
    for value in values[1:]:
        top = xp.maximum(top, value)
    total: Any = 0.0
    for value in values:
        total = total + xp.exp(value - top)
    return top + xp.log(total)


def _log_sum_along(xp: Any, x: Array) -> Array:
    """The logarithm of the sum of exponentials over axis 1."""
    top = xp.max(x, axis=1, keepdims=True)
    return top[:, 0] + xp.log(xp.sum(xp.exp(x - top), axis=1))


