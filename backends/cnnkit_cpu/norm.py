"""Batch normalisation, alone, with an activation, and with an addend; see ``src/norm``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit.backends import Call, decline
from cnnkit_cpu import library
from cnnkit_cpu.activation import NO_FUNCTION, NUMBERS, Function, function_of
from cnnkit_cpu.layout import empty_channels_last, is_channels_last, pixels, to_channels_last
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed, scratch

RELU = NUMBERS["relu"]


def batch_norm(x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None,
               running_mean: np.ndarray | None, running_var: np.ndarray | None, *, needs: Sequence[bool],
               training: bool, momentum: float, eps: float) -> tuple:
    """The op of the same name."""
    return _norm(x, weight, bias, running_mean, running_var, needs, NO_FUNCTION, training, momentum, eps)


def batch_norm_chain(x: np.ndarray, *arrays: Any, needs: Sequence[bool], calls: Sequence[Call]) -> tuple:
    """``batch_norm``, then perhaps ``add`` (the end of a residual block), then perhaps an activation."""
    norm, *following = calls
    function = NO_FUNCTION
    if following[-1].op.role == "activation":
        activation = following.pop().op
        known = function_of(activation.name, calls[-1].attrs)
        if known is None or (following and known[0] != RELU):
            return decline(f"{activation.name} is no part of its loops, or not behind an addend")
        function = known
    if norm.op.name != "batch_norm" or (following and following[0].op.name != "add"):
        return decline("it serves batch_norm with add and an activation")
    addend = arrays[4] if following else None
    if following and not (is_channels_last(x) and type(addend) is np.ndarray and addend.shape == x.shape
                          and addend.dtype == FLOAT):
        return decline("an addend is taken in where the channels lie last in memory "
                       "and it is float32 of the same shape")
    weight, bias, running_mean, running_var = arrays[:4]
    return _norm(x, weight, bias, running_mean, running_var, needs, function, **norm.attrs,
                 addend=addend)


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
                function: Function) -> np.ndarray:
        y = empty_channels_last(self.x.shape)
        addend = None if addend is None else to_channels_last(addend)
        inputs = self.x, mean, scale, bias, addend
        library.active.norm_channels_last_forward(library.threads, *self.sizes, *map(_address, inputs),
                                                  *function, address(y))
        return y

    def backward(self, mean: np.ndarray, rstd: np.ndarray, scale: np.ndarray, bias: np.ndarray | None,
                 function: Function, y: np.ndarray | None, dy: np.ndarray, training: bool, needs_x: bool,
                 needs_addend: bool, dweight: np.ndarray, dbias: np.ndarray) -> tuple:
        dy = to_channels_last(dy)
        dx = empty_channels_last(self.x.shape) if needs_x or function[0] > RELU else None
        masked = empty_channels_last(self.x.shape) if needs_addend and y is not None else None
        room, space = self._room()
        inputs, outputs = (self.x, mean, rstd, scale, bias), (dx, masked, dweight, dbias)
        library.active.norm_channels_last_backward(library.threads, *self.sizes, *map(_address, inputs),
                                                   *function, *map(_address, (y, dy)), training,
                                                   *map(_address, outputs), space)
        del room
        return dx if needs_x else None, dy if needs_addend and masked is None else masked

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
                function: Function) -> np.ndarray:
        y = empty(self.x.shape)
        library.active.norm_forward(library.threads, *self.sizes, address(self.x), address(mean),
                                    address(scale), _address(bias), *function, address(y))
        return y

    def backward(self, mean: np.ndarray, rstd: np.ndarray, scale: np.ndarray, bias: np.ndarray | None,
                 function: Function, y: np.ndarray | None, dy: np.ndarray, training: bool, needs_x: bool,
                 needs_addend: bool, dweight: np.ndarray, dbias: np.ndarray) -> tuple:
        dy = packed(dy)
        dx = empty(self.x.shape) if needs_x or function[0] > RELU else None
        if function[0] > RELU:
            library.active.norm_activation_gradient(
                library.threads, *self.sizes, *map(_address, (self.x, mean, scale, bias)), *function,
                *map(_address, (dy, dx)))
            dy = dx  # type: ignore[assignment]
        library.active.norm_backward(library.threads, *self.sizes,
                                     *map(_address, (self.x, mean, rstd, scale, y, dy)), training,
                                     *map(_address, (dx if needs_x else None, dweight, dbias)))
        return dx if needs_x else None, None


def _address(array: np.ndarray | None) -> int | None:
    return None if array is None else address(array)


def _norm(x: np.ndarray, weight: Any, bias: Any, running_mean: Any, running_var: Any, needs: Sequence[bool],
          function: Function, training: bool, momentum: float, eps: float,
          addend: np.ndarray | None = None) -> tuple:
    parameters = weight, bias, running_mean, running_var
    if x.dtype != FLOAT or not x.size or any(a is not None and a.dtype != FLOAT for a in parameters):
        return decline(f"{x.dtype} of shape {x.shape}; it serves float32 arrays that are not empty")
    kernels: Rows | Planes = Rows(x) if is_channels_last(x) else Planes(x)
    owner, C, count = library.active, x.shape[1], x.size // x.shape[1]
    weight, bias, running_mean, running_var = (None if a is None else packed(a) for a in parameters)
    mean, new_mean, new_var = empty((2, C)), None, None
    if training:
        var = empty((C,))
        kernels.statistics(mean, var)
        if running_mean is not None:
            new_mean, new_var = empty((C,)), empty((C,))
            owner.norm_running(C, *map(address, (mean, var, running_mean, running_var)), 1 - momentum,
                               momentum, momentum * count / (count - 1), address(new_mean), address(new_var))
    else:
        var = running_var
        owner.norm_center(C, address(running_mean), address(mean))
    rstd, scale = empty((C,)), None if weight is None else empty((C,))
    owner.norm_scale(C, address(var), _address(weight), eps, address(rstd), _address(scale))
    scale = rstd if scale is None else scale
    y = kernels.forward(mean, scale, bias, addend, function)
    if True not in needs:
        return (y, new_mean, new_var), None
    # with the channels last, ReLU's derivative follows from x, unless an addend is between
    needs_result = addend is not None or isinstance(kernels, Planes)
    result = y if function[0] == RELU and needs_result else None

    def backward(dy: np.ndarray, *_: None) -> tuple:
        dweight, dbias = empty((C,)), empty((C,))
        dx, daddend = kernels.backward(mean, rstd, scale, bias, function, result, dy, training, needs[0],
                                       addend is not None and needs[5], dweight, dbias)
        gradients = dx, dweight if needs[1] else None, dbias if needs[2] else None, None, None
        return gradients if len(needs) == 5 else (*gradients, daddend)
    return (y, new_mean, new_var), backward
