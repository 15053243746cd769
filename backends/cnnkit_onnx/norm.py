"""Normalisation: BatchNormalization, InstanceNormalization, LayerNormalization."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnkit.backends import decline
from cnnkit_onnx.drawing import constant, drawn, is_naming, one_node, op, var_of
from cnnkit_onnx.shaping import origin

Array = Any


def _filled(value: Array | None, shape: tuple[int, ...], number: float, dtype: Any) -> Any:
    """A weight or bias, or what changes nothing in its place."""
    return constant(np.full(shape, number), dtype) if value is None else var_of(value)


def batch_norm(x: Array, weight: Array | None, bias: Array | None, running_mean: Array | None,
               running_var: Array | None, *, training: bool, momentum: float, eps: float) -> Any:
    """BatchNormalization with running statistics."""
    if training and running_mean is not None and is_naming():
        raise RuntimeError("batch_norm in training mode moves its running statistics, which a graph cannot: "
                           "call it with training=False, or training=self.training, when the model is "
                           "evaluated")
    if training or running_mean is None or running_var is None:
        return decline("statistics of the batch")
    shape = (x.shape[1],)
    values = (var_of(x), _filled(weight, shape, 1, x.dtype), _filled(bias, shape, 0, x.dtype),
              var_of(running_mean), var_of(running_var))
    return drawn(one_node("BatchNormalization", values, x, epsilon=eps)), None, None


def standardize(x: Array, weight: Array | None, bias: Array | None, *, axes: tuple[int, ...], eps: float,
                center: bool) -> Any:
    """What group, instance and layer norm are, by InstanceNormalization or LayerNormalization."""
    if not center:
        return decline("a root mean square")
    last = tuple(range(x.ndim - len(axes), x.ndim))
    if tuple(axes) != last or not axes:
        return decline("other axes than the last")
    normalized = tuple(x.shape[axis] for axis in axes)
    if all(value is None or tuple(value.shape) == normalized for value in (weight, bias)) and (
            weight is not None or x.ndim - len(axes) != 2):
        y, *_ = op.layer_normalization(var_of(x), _filled(weight, normalized, 1, x.dtype),
                                       None if bias is None else var_of(bias), axis=axes[0], epsilon=eps)
        return drawn(y)
    if x.ndim - len(axes) != 2:
        return decline("one axis before the normalised ones, or three")
    channels = x.shape[1]
    per_channel = (1, channels, *[1] * len(axes))
    if all(value is None or (tuple(value.shape) == per_channel and origin(value).shape == (channels,))
           for value in (weight, bias)):
        scale, shift = (None if value is None else origin(value) for value in (weight, bias))
        return drawn(op.instance_normalization(var_of(x), _filled(scale, (channels,), 1, x.dtype),
                                               _filled(shift, (channels,), 0, x.dtype), epsilon=eps))
    # groups of channels: each is a channel of InstanceNormalization, and the scale comes after it
    flat = op.reshape(var_of(origin(x)), constant((*x.shape[:2], math.prod(x.shape[2:])), "int64"))
    y = op.instance_normalization(flat, _filled(None, (channels,), 1, x.dtype),
                                  _filled(None, (channels,), 0, x.dtype), epsilon=eps)
    y = op.reshape(y, constant(x.shape, "int64"))
    y = y if weight is None else op.mul(y, var_of(weight))
    return drawn(y if bias is None else op.add(y, var_of(bias)))
