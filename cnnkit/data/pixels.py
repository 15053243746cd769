"""Batches of uint8 images by looking values up: one pass over the pixels, where there is a kernel for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.backends import Array, Backend
from cnnkit.backends.kernel import LOOK_UP, declare_kernel

__all__ = ["look_up"]

declare_kernel("look_up", LOOK_UP)


def look_up(images: np.ndarray, values: np.ndarray, backend: Backend, device: Any = None) -> Array | None:
    """``values[channel, pixel]`` of uint8 images (N, C, H, W) or (N, H, W), as float32 (N, C, H, W).

    Parameters
    ----------
    images : ndarray of uint8
        On the host.
    values : ndarray of float32, shape (C, 256)
        What each pixel value of each channel becomes.
    backend, device
        Where the result is made.

    Returns
    -------
    array or None
        ``None`` where no kernel ``look_up(images, values, device)`` of the backend's tables takes them.

    >>> from cnnkit import backends
    >>> images, halves = np.array([[[3, 1]]], np.uint8), np.arange(256, dtype=np.float32)[None] / 2
    >>> result = look_up(images, halves, backends.get("numpy"))
    >>> result is None or result.tolist() == [[[[1.5, 0.5]]]]
    True
    """
    if images.ndim == 3:
        images = images[:, None]
    result = backend.resolve().ask("look_up", (images, values, device), {})
    return None if result is NotImplemented else result
