"""Kernels for two spatial axes, on arrays with one: a signal of n elements is an image of 1 x n pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnkit.backends import decline
from cnnkit.ops.core import Call

__all__ = ["by_rank_2"]

Array = Any
# what stands in front of an attribute that has one value for each spatial axis, for an axis of one pixel
ONE_PIXEL: dict[str, Any] = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": (0, 0),
                             "size": 1, "output_size": 1}


def by_rank_2(kernel: Callable, arrays: Sequence[Array], needs: Sequence[bool],
              settings: Mapping[str, Any]) -> Any:
    """Ask a kernel for images, given signals: arrays (N, C, n), filters (K, C/groups, s),
    attributes of one axis.

    Arrays with three axes get one of a single pixel in front of the last, and results lose it; so no
    reshape stands on the tape, and a kernel that takes in a chain takes it in here too. More spatial
    axes are declined.

    Parameters
    ----------
    kernel : callable
        ``kernel(*arrays, needs, **attrs)`` of an op, or ``kernel(*arrays, needs, calls)`` of a chain.
    arrays, needs
        As the kernel was given them.
    settings : mapping
        The op's attributes, or ``{"calls": calls}``.

    >>> import numpy as np
    >>> def seen(x, *, needs, kernel_size):
    ...     return x, lambda dy: (dy,)
    >>> y, backward = by_rank_2(seen, [np.ones((2, 3, 5))], [True], {"kernel_size": (2,)})
    >>> y.shape, backward(y)[0].shape
    ((2, 3, 5), (2, 3, 5))
    """
    if arrays[0].ndim != 3:
        return decline(f"{arrays[0].ndim - 2} spatial axes; it serves 1 and 2")
    if "calls" in settings:
        settings = {"calls": [Call(call.op, _lifted(call.attrs), call.count) for call in settings["calls"]]}
    else:
        settings = _lifted(settings)
    found = kernel(*[_image(array) for array in arrays], needs=needs, **settings)
    if found is NotImplemented:
        return found
    outputs, backward = found
    flat = tuple(map(_signal, outputs)) if isinstance(outputs, tuple) else _signal(outputs)
    if backward is None:
        return flat, None

    def lifted_backward(*dys: Array) -> tuple:
        return tuple(map(_signal, backward(*map(_image, dys))))
    return flat, lifted_backward


def _lifted(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of one axis as those of two."""
    return {name: (ONE_PIXEL[name], *value) if name in ONE_PIXEL else value for name, value in attrs.items()}


def _image(array: Array) -> Array:
    return array[:, :, None, :] if getattr(array, "ndim", 0) == 3 else array


def _signal(array: Array) -> Array:
    return array[:, :, 0, :] if getattr(array, "ndim", 0) == 4 else array
