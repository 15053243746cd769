"""Batches of uint8 images by a table of values."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


def look_up(images: np.ndarray, values: np.ndarray, device: Any = None) -> np.ndarray:
    """The kernel of `cnnkit.data.pixels.look_up`; `images` may have any strides."""
    n, channels, height, width = images.shape
    images, values, y = packed(images), packed(values), empty(images.shape, FLOAT)
    library.active.look_up(library.threads, n * channels, channels, height * width, address(images),
                           address(values), address(y))
    return y
