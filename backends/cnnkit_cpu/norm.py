"""Batch normalisation, alone and with ReLU; see ``src/norm.h``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


def batch_norm(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, running_mean: np.ndarray | None,
               running_var: np.ndarray | None, *, needs: Sequence[bool], training: bool, momentum: float, eps: float) -> tuple:
    """The op of the same name."""
    return _norm(x, weight, bias, running_mean, running_var, needs, False, training, momentum, eps)


def batch_norm_relu(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, running_mean: np.ndarray | None,
                    running_var: np.ndarray | None, *, needs: Sequence[bool], attrs: Sequence) -> tuple:
    """``batch_norm``, then ``relu``."""
    return _norm(x, weight, bias, running_mean, running_var, needs, True, **attrs[0])


def _norm(x: np.ndarray, weight: Any, bias: Any, running_mean: Any, running_var: Any, needs: Sequence[bool], relu: bool,
          training: bool, momentum: float, eps: float) -> tuple:
    if x.dtype != FLOAT or not x.size or any(a is not None and a.dtype != FLOAT for a in (weight, bias, running_mean, running_var)):
        return NotImplemented
    owner, (N, C), size, threads = library.active, x.shape[:2], math.prod(x.shape[2:]), library.threads
    x, count = packed(x), N * size
    new_mean = new_var = None
    if training:
        mean, var = np.empty(C, FLOAT), np.empty(C, FLOAT)
        owner.norm_statistics(threads, N, C, size, address(x), address(mean), address(var))
        if running_mean is not None:
            new_mean = running_mean * (1 - momentum) + mean * momentum
            new_var = running_var * (1 - momentum) + var * (momentum * count / (count - 1))
    else:
        mean, var = packed(running_mean), running_var
    rstd = 1 / np.sqrt(var + FLOAT.type(eps))
    scale = rstd if weight is None else rstd * weight
    bias = None if bias is None else packed(bias)
    y = empty(x.shape)
    owner.norm_forward(threads, N, C, size, address(x), address(mean), address(scale), None if bias is None else address(bias),
                       relu, address(y))
    if True not in needs:
        return (y, new_mean, new_var), None

    def backward(dy: np.ndarray, *_: None) -> tuple:
        dy = packed(dy)
        dx = empty(x.shape) if needs[0] else None
        dweight, dbias = np.empty(C, FLOAT), np.empty(C, FLOAT)
        owner.norm_backward(library.threads, N, C, size, address(x), address(mean), address(rstd), address(scale),
                            address(y) if relu else None, address(dy), training, None if dx is None else address(dx),
                            address(dweight), address(dbias))
        return dx, dweight if needs[1] else None, dbias if needs[2] else None, None, None
    return (y, new_mean, new_var), backward
