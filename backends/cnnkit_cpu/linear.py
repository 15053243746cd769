"""The dense layer, alone and with ReLU: one call forward, one back; see ``src/linear``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnkit.backends import Call, decline
from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool]) -> tuple:
    """x @ weight.T + bias."""
    return _linear(x, weight, bias, needs, False)


def linear_chain(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, *, needs: Sequence[bool],
                 calls: Sequence[Call]) -> tuple:
    """``linear``, then ReLU."""
    if [call.op.name for call in calls] != ["linear", "relu"]:
        return decline("it serves linear with ReLU")
    return _linear(x, weight, bias, needs, True)


def _linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, needs: Sequence[bool],
            relu: bool) -> tuple:
    shape = x.shape
    if x.dtype != FLOAT or 0 in shape or 0 in weight.shape:
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 arrays that are not empty")
    O, I = weight.shape
    N = x.size // I
    x, weight, owner = packed(x), packed(weight), library.active
    bias = None if bias is None else packed(bias)
    y = empty((*shape[:-1], O))
    owner.linear_forward(library.threads, N, I, O, address(x), address(weight),
                         None if bias is None else address(bias), address(y), relu)
    if True not in needs:
        return y, None
    needs_x, needs_weight, needs_bias = needs
    x = x if needs_weight else None  # type: ignore[assignment]
    weight = weight if needs_x else None  # type: ignore[assignment]
    result = y if relu else None

    def backward(dy: np.ndarray) -> tuple:
        dy = packed(dy)
        dx = empty(shape) if needs_x else None
        dweight = empty((O, I)) if needs_weight else None
        dbias = empty((O,)) if needs_bias else None
        owner.linear_backward(library.threads, N, I, O, *[a if a is None else address(a) for a in
                              (x, weight, result, dy, dx, dweight, dbias)])
        return dx, dweight, dbias
    return y, backward
