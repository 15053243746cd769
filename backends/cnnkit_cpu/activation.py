"""Activations and addition on memory that is used again; see ``src/elementwise``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import get_ident
from typing import Any

import numpy as np

from cnnkit.backends import Call, decline
from cnnkit.ops.activation import SELU
from cnnkit_cpu import library
from cnnkit_cpu.finite import tame
from cnnkit_cpu.layout import (
    channel_sums,
    dense_like,
    empty_channels_last,
    in_order_of,
    is_channels_last,
    pixels,
    to_channels_last,
)
from cnnkit_cpu.library import address, noting
from cnnkit_cpu.memory import FLOAT, packed


def relu(x: np.ndarray, *, needs: Sequence[bool]) -> tuple:
    """max(x, 0); the gradient at 0 is 0, and NaN stays NaN."""
    if x.dtype != FLOAT:
        return decline(f"{x.dtype}; it serves float32")
    owner, (x, y) = library.active, dense_like(x)
    owner.relu_forward(library.threads, x.size, address(x), address(y))

    def backward(dy: np.ndarray) -> tuple:
        dy, dx = in_order_of(y, dy), dense_like(y)[1]
        owner.relu_backward(library.threads, y.size, address(y), address(dy), address(dx))
        return (dx,)
    return y, backward if needs[0] else None


# the op's name -> the number of its C++ function (`with_function` of src/elementwise/functions.h)
NUMBERS = {"relu": 0, "leaky_relu": 1, "hardtanh": 2, "hardswish": 3, "hardsigmoid": 4, "sigmoid": 5,
           "tanh": 6, "silu": 7, "gelu": 8, "elu": 10, "celu": 11, "selu": 12, "mish": 13}
GELU_BY_TANH = 9
SETTINGS = {"leaky_relu": ("negative_slope",), "hardtanh": ("min_val", "max_val"), "elu": ("alpha",),
            "celu": ("alpha",)}
FROM_RESULT = ("relu", "sigmoid", "tanh")  # whose derivative follows from the result

Function = tuple[int, float, float]  # a C++ function: its number and its two settings
NO_FUNCTION: Function = (-1, 0.0, 0.0)


def function_of(name: str, attrs: Mapping[str, Any]) -> Function | None:
    """The C++ function of an activation with these settings, or ``None`` where there is none."""
    number = NUMBERS.get(name)
    if number is None:
        return None
    if name == "gelu" and attrs["approximate"] == "tanh":
        number = GELU_BY_TANH
    if name == "selu":
        return number, SELU[0], SELU[0] * SELU[1]
    a, b = (*(float(attrs[setting]) for setting in SETTINGS.get(name, ())), 0.0, 0.0)[:2]
    return number, a, b


def activation(name: str) -> Callable[..., tuple]:
    """The kernel of the op called `name`."""
    def kernel(x: np.ndarray, *, needs: Sequence[bool], **attrs: Any) -> tuple:
        if x.dtype != FLOAT:
            return decline(f"{x.dtype}; it serves float32")
        function: Any = function_of(name, attrs)
        owner, (x, y) = library.active, dense_like(x)
        owner.activation_forward(library.threads, *function, x.size, address(x), address(y))
        if not needs[0]:
            return y, None
        saved = y if name in FROM_RESULT else x
        return y, lambda dy: (gradient(function, saved, dy),)
    kernel.__name__ = kernel.__qualname__ = name
    kernel.__doc__ = f"See `cnnkit.ops.activation.{name}`."
    return kernel


def gradient(function: Function, saved: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dy times an activation's derivative, from its argument or its result."""
    dy, dx = in_order_of(saved, dy), dense_like(saved)[1]
    library.active.activation_backward(library.threads, *function, dx.size, *map(address, (saved, dy, dx)))
    return dx


def then(result: tuple, activation: Call) -> tuple:
    """A kernel's result, (output, backward), with an activation after it.

    Leaky ReLU overwrites the output, to which nobody else refers yet.
    """
    if result is NotImplemented:
        return result
    y, backward = result
    slope = activation.attrs.get("negative_slope", 0)
    if activation.op.name == "leaky_relu" and slope > 0:  # then the result has the argument's sign
        function: Any = function_of("leaky_relu", activation.attrs)
        library.active.activation_forward(library.threads, *function, y.size, address(y), address(y))
        return y, None if backward is None else lambda dy: backward(gradient(function, y, dy))
    if backward is not None and not tame(y):
        return decline("NaN, whose derivative also those get that are not the largest of their window")
    (z,), through = activation.op(y, needs=(backward is not None,), **activation.attrs)
    return z, None if backward is None else lambda dy: backward(through(dy)[0])


def add(x: Any, y: Any, *, needs: Sequence[bool]) -> tuple:
    """x + y, of one shape, or one number of y for each channel of x."""
    if (type(x) is type(y) is np.ndarray and x.dtype == y.dtype == FLOAT and is_channels_last(x)
            and y.shape in ((1, x.shape[1], *(1,) * (x.ndim - 2)), (x.shape[1], *(1,) * (x.ndim - 2)))):
        return _add_to_channels(x, y, needs)
    if (not (type(x) is type(y) is np.ndarray) or x.shape != y.shape or x.dtype != FLOAT or y.dtype != FLOAT
            or not x.size or (x.size < 4096 and not _is_recorded(x, y))):
        return decline("it serves two float32 arrays of one shape with 4,096 elements or more, or one number "
                       "for each channel where the channels lie last in memory")
    x, z = dense_like(x)
    y = in_order_of(x, y)
    library.active.add_arrays(library.threads, x.size, address(x), address(y), address(z))
    return z, (lambda dz: (dz if needs[0] else None, dz if needs[1] else None)) if True in needs else None


def _is_recorded(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether small arrays are added here, because a recording wants calls of C, and in the order of memory
    that NumPy's sum would have.
    """
    notes = noting.get(get_ident())
    return (notes is not None and notes.replays and x.strides == y.strides
            and (x.flags.c_contiguous or is_channels_last(x)))


def _add_to_channels(x: np.ndarray, y: np.ndarray, needs: Sequence[bool]) -> tuple:
    """By batch norm's loop, of mean 0 and scale 1."""
    C, shape, z = x.shape[1], y.shape, empty_channels_last(x.shape)
    mean, scale, shift = np.zeros((2, C), FLOAT), np.ones(C, FLOAT), packed(y)
    library.active.norm_channels_last_forward(library.threads, pixels(x), C,
                                              *map(address, (x, mean, scale, shift)), None, *NO_FUNCTION,
                                              address(z))

    def backward(dz: np.ndarray) -> tuple:
        return (dz if needs[0] else None,
                channel_sums(to_channels_last(dz)).reshape(shape) if needs[1] else None)
    return z, backward if True in needs else None
