"""Kernels for two spatial axes, on arrays with one: a signal of n elements is an image of 1 x n pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnkit.backends import decline
from cnnkit.ops.core import Call

__all__ = ["by_rank_2"]

Array = Any
# first value, for the axis of one pixel, of the attributes that have a value for each spatial axis
ONE_PIXEL: dict[str, Any] = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": (0, 0),
                             "size": 1, "output_size": 1}


def by_rank_2(kernel: Callable, arrays: Sequence[Array], needs: Sequence[bool],
              settings: Mapping[str, Any]) -> Any:
    """Call a kernel for images on signals: arrays (N, C, n), filters (K, C/groups, s), one-axis attributes.

    Arrays with three axes get one of a single pixel in front of the last, and results lose it; so no
    reshape is recorded on the tape, and kernels of chains work too. More spatial
    axes are declined.

    Parameters
    ----------
    kernel : callable
        ``kernel(*arrays, needs, **attrs)`` of an op, or ``kernel(*arrays, needs, calls)`` of a chain.
    arrays, needs
        The call's arrays, and whether each needs a gradient.
    settings : mapping
        The op's attributes, or ``{"calls": calls}``.

    >>> import numpy as np
    >>> def identity(x, *, needs, kernel_size):
    ...     return x, lambda dy: (dy,)
    >>> y, backward = by_rank_2(identity, [np.ones((2, 3, 5))], [True], {"kernel_size": (2,)})
    >>> y.shape, backward(y)[0].shape
    ((2, 3, 5), (2, 3, 5))
    """
    if arrays[0].ndim != 3:
        return decline(f"{arrays[0].ndim - 2} spatial axes; it serves 1 and 2")
    if "calls" in settings:
        settings = {"calls": [Call(call.op, _lifted(call.attrs), call.count) for call in settings["calls"]]}
    else:
        settings = _lifted(settings)
    result = kernel(*[_image(array) for array in arrays], needs=needs, **settings)
    if result is NotImplemented:
        return result
    outputs, backward = result
    signals = tuple(map(_signal, outputs)) if isinstance(outputs, tuple) else _signal(outputs)
    if backward is None:
        return signals, None

    def lifted_backward(*dys: Array) -> tuple:
        return tuple(map(_signal, backward(*map(_image, dys))))
    return signals, lifted_backward


def _lifted(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of one axis as those of two."""
    return {name: (ONE_PIXEL[name], *value) if name in ONE_PIXEL else value for name, value in attrs.items()}


def _image(array: Array) -> Array:
    return array[:, :, None, :] if getattr(array, "ndim", 0) == 3 else array


def _signal(array: Array) -> Array:
    return array[:, :, 0, :] if getattr(array, "ndim", 0) == 4 else array
