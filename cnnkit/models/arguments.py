"""What `SimpleCNN` takes: its settings, images and labels, checked before anything changes."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from cnnkit import backends
from cnnkit.autograd import Tensor
from cnnkit.foreign import is_array, is_whole

if TYPE_CHECKING:
    from cnnkit.models.simple import SimpleCNN

__all__ = ["array", "image_size", "images", "labels", "step_size", "whole"]

Array = Any


def whole(name: str, value: Any, least: int, example: int) -> int:
    """A whole number of at least `least`, as a Python int."""
    if not is_whole(value) or operator.index(value) < least:
        raise ValueError(f"SimpleCNN takes a whole number, at least {least}, as {name}, "
                         f"such as {name}={example}; got {value!r}")
    return operator.index(value)


def step_size(value: Any) -> float:
    """A learning rate: finite, and not negative."""
    try:
        valid = math.isfinite(value) and value >= 0
    except TypeError:
        valid = False
    if not valid:
        raise ValueError("SimpleCNN takes a finite number, at least 0, as learning_rate, "
                         f"such as learning_rate=0.01; got {value!r}")
    return value


def image_size(value: Any) -> tuple[int, int]:
    """The height and width, as Python ints."""
    pair = tuple(value) if isinstance(value, tuple | list) else ()
    if len(pair) != 2 or any(not is_whole(n) or operator.index(n) < 1 for n in pair):
        square = operator.index(value) if is_whole(value) and value > 0 else 28
        raise ValueError(f"SimpleCNN takes input_size=(height, width), such as input_size=({square}, "
                         f"{square}); got {value!r}")
    return operator.index(pair[0]), operator.index(pair[1])


def array(net: SimpleCNN, x: Any) -> Array:
    """Any library's array or numbers as an array of the network's backend and dtype; uint8 divided by 255."""
    x = x.array if isinstance(x, Tensor) else x
    backend = net._backend
    if not backend.owns(x):
        x = backend.asarray(backends.backend_of(x).to_numpy(x) if is_array(x) else x)
    pixels = backends.dtype_name(x.dtype) == "uint8"
    x = backend.namespace.astype(x, backend.dtype(net.dtype), copy=False)
    return x / 255 if pixels else x


def images(net: SimpleCNN, X: Any) -> tuple[Array, bool]:
    """Images as (N, 1, H, W) of finite numbers, and whether `X` was one image."""
    x = array(net, X)
    shape = tuple(x.shape)
    if (shape[-2:] != net.input_size
            or not (len(shape) in (2, 3) or (len(shape) == 4 and shape[1] == 1)) or 0 in shape):
        h, w = net.input_size
        raise ValueError(f"SimpleCNN(input_size={net.input_size}) takes one grey image of shape ({h}, {w}), "
                         f"or a batch (N, {h}, {w}); got {shape}")
    xp = net._backend.namespace
    x = xp.reshape(x, (-1, 1, *net.input_size))
    finite = xp.isfinite(x)
    if not bool(xp.all(finite)):
        index = net._backend.to_numpy(xp.all(finite, axis=(1, 2, 3))).tolist().index(False)
        pixel = "NaN" if bool(xp.any(xp.isnan(x[index, ...]))) else "an infinite value"
        raise ValueError(f"SimpleCNN takes finite pixels, and image {index} holds {pixel}; "
                         "repair or remove it (numpy.nan_to_num(X) replaces such pixels)")
    return x, len(shape) == 2


def labels(net: SimpleCNN, y: Any, count: int) -> Array:
    """Labels as (N,) int64, checked on the host."""
    y = y.array if isinstance(y, Tensor) else y
    values = backends.backend_of(y).to_numpy(y).reshape(-1).tolist() if is_array(y) else y
    values = list(values) if isinstance(values, list | tuple) else [values]
    if len(values) != count:
        raise ValueError("SimpleCNN takes one label for each image; "
                         f"got {count} image{'s' * (count != 1)} and "
                         f"{len(values)} label{'s' * (len(values) != 1)}")
    for value in values:
        if not ((is_whole(value) or isinstance(value, bool)) and 0 <= value < net.output_classes):
            raise ValueError(f"SimpleCNN(output_classes={net.output_classes}) takes labels 0 ... "
                             f"{net.output_classes - 1}; got {value!r}")
    return net._backend.asarray(values, "int64")
