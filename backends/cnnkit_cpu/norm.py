"""Batch normalisation, alone, with ReLU, and with an addend; see ``src/norm``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.backends import Call, decline
from cnnkit_cpu import library
from cnnkit_cpu.layout import empty_channels_last, is_channels_last, pixels, to_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed, scratch


def batch_norm(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None,
               running_mean: np.ndarray | None, running_var: np.ndarray | None, *, needs: Sequence[bool],
               training: bool, momentum: float, eps: float) -> tuple:
    """The op of the same name."""
    return _norm(x, weight, bias, running_mean, running_var, needs, False, training, momentum, eps)


def batch_norm_chain(x: np.ndarray, *arrays: Any, needs: Sequence[bool], calls: Sequence[Call]) -> tuple:
    """``batch_norm``, then perhaps ``add`` (the end of a residual block), then perhaps ReLU."""
    norm, *following = calls
    relu = following[-1].op.role == "activation"
    if relu and following.pop().op.name != "relu":
        return decline(f"{calls[-1].op.name} is no part of its loops")
    if norm.op.name != "batch_norm" or (following and following[0].op.name != "add"):
        return decline("it serves batch_norm with add and relu")
    addend = arrays[4] if following else None
    if following and not (is_channels_last(x) and type(addend) is np.ndarray and addend.shape == x.shape
                          and addend.dtype == FLOAT):
        return decline("an addend is taken in where the channels lie last in memory "
                       "and it is float32 of the same shape")
    weight, bias, running_mean, running_var = arrays[:4]
    return _norm(x, weight, bias, running_mean, running_var, needs, relu, **norm.attrs, addend=addend)


class Rows:
    """The kernels for channels that lie last in memory."""

    def __init__(self, x: np.ndarray):
        self.x, self.C, self.pixels = x, x.shape[1], pixels(x)
        self.sizes = self.pixels, self.C

    def statistics(self, mean: np.ndarray, var: np.ndarray) -> None:
        room, space = self._room()
        library.active.norm_channels_last_statistics(library.threads, *self.sizes,
                                                     *map(address, (self.x, mean, var)), space)
        del room

    def forward(self, mean: np.ndarray, scale: np.ndarray, bias: np.ndarray | None, addend: np.ndarray | None,
                relu: bool) -> np.ndarray:
        y = empty_channels_last(self.x.shape)
        addend = None if addend is None else to_channels_last(addend)
        inputs = self.x, mean, scale, bias, addend
        library.active.norm_channels_last_forward(library.threads, *self.sizes, *map(_address, inputs), relu,
                                                  address(y))
        return y

    def backward(self, mean: np.ndarray, rstd: np.ndarray, scale: np.ndarray, y: np.ndarray | None,
                 dy: np.ndarray, training: bool, needs_x: bool, needs_addend: bool, dweight: np.ndarray,
                 dbias: np.ndarray) -> tuple:
        dy = to_channels_last(dy)
        dx = empty_channels_last(self.x.shape) if needs_x else None
        masked = empty_channels_last(self.x.shape) if needs_addend and y is not None else None
        room, space = self._room()
        inputs, outputs = (self.x, mean, rstd, scale, y, dy), (dx, masked, dweight, dbias)
        library.active.norm_channels_last_backward(library.threads, *self.sizes, *map(_address, inputs),
                                                   training, *map(_address, outputs), space)
        del room
        return dx, dy if needs_addend and masked is None else masked

    def _room(self) -> tuple[np.ndarray, int]:
        return scratch(2 * library.active.norm_channels_last_room(*self.sizes))


class Planes:
    """The kernels for channels that lie one after the other."""

    def __init__(self, x: np.ndarray):
        self.x = x = packed(x)
        self.sizes = *x.shape[:2], math.prod(x.shape[2:])

    def statistics(self, mean: np.ndarray, var: np.ndarray) -> None:
        library.active.norm_statistics(library.threads, *self.sizes, *map(address, (self.x, mean, var)))

    def forward(self, mean: np.ndarray, scale: np.ndarray, bias: np.ndarray | None, addend: np.ndarray | None,
                relu: bool) -> np.ndarray:
        y = empty(self.x.shape)
        library.active.norm_forward(library.threads, *self.sizes, address(self.x), address(mean),
                                    address(scale), _address(bias), relu, address(y))
        return y

    def backward(self, mean: np.ndarray, rstd: np.ndarray, scale: np.ndarray, y: np.ndarray | None,
                 dy: np.ndarray, training: bool, needs_x: bool, needs_addend: bool, dweight: np.ndarray,
                 dbias: np.ndarray) -> tuple:
        dy = packed(dy)
        dx = empty(self.x.shape) if needs_x else None
        library.active.norm_backward(library.threads, *self.sizes,
                                     *map(_address, (self.x, mean, rstd, scale, y, dy)), training,
                                     *map(_address, (dx, dweight, dbias)))
        return dx, None


def _address(array: np.ndarray | None) -> int | None:
    return None if array is None else address(array)


def _norm(x: np.ndarray, weight: Any, bias: Any, running_mean: Any, running_var: Any, needs: Sequence[bool],
          relu: bool, training: bool, momentum: float, eps: float, addend: np.ndarray | None = None) -> tuple:
    parameters = weight, bias, running_mean, running_var
    if x.dtype != FLOAT or not x.size or any(a is not None and a.dtype != FLOAT for a in parameters):
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 arrays that are not empty")
    kernels: Rows | Planes = Rows(x) if is_channels_last(x) else Planes(x)
    C, count = x.shape[1], x.size // x.shape[1]
    new_mean = new_var = None
    if training:
        mean, var = np.empty((2, C), FLOAT), np.empty(C, FLOAT)
        kernels.statistics(mean, var)
        if running_mean is not None:
            new_mean = running_mean * (1 - momentum) + (mean[0] + mean[1]) * momentum
            new_var = running_var * (1 - momentum) + var * (momentum * count / (count - 1))
    else:
        mean, var = np.stack([running_mean, np.zeros(C, FLOAT)]), running_var
    rstd = 1 / np.sqrt(var + FLOAT.type(eps))
    scale = rstd if weight is None else rstd * weight
    bias = None if bias is None else packed(bias)
    y = kernels.forward(mean, scale, bias, addend, relu)
    if True not in needs:
        return (y, new_mean, new_var), None
    result = y if relu else None

    def backward(dy: np.ndarray, *_: None) -> tuple:
        dweight, dbias = np.empty(C, FLOAT), np.empty(C, FLOAT)
        dx, daddend = kernels.backward(mean, rstd, scale, result, dy, training, needs[0],
                                       addend is not None and needs[5], dweight, dbias)
        gradients = dx, dweight if needs[1] else None, dbias if needs[2] else None, None, None
        return gradients if len(needs) == 5 else (*gradients, daddend)
    return (y, new_mean, new_var), backward
