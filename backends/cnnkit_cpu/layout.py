"""Channels last in memory: (N, H, W, C) behind the logical (N, C, H, W)."""

from __future__ import annotations

import ctypes
import math

import numpy as np

from cnnkit.backends.c_integers import array_of
from cnnkit_cpu import library
from cnnkit_cpu.library import address
from cnnkit_cpu.memory import FLOAT, empty, packed


def is_channels_last(array: np.ndarray) -> bool:
    """Whether channels of images or signals lie last in memory, without gaps, and the axes' order matters."""
    if array.ndim not in (3, 4) or array.flags.c_contiguous:
        return False
    flags = (array.transpose(0, 2, 3, 1) if array.ndim == 4 else array.transpose(0, 2, 1)).flags
    return flags.c_contiguous and flags.aligned


def empty_channels_last(shape: tuple[int, ...], dtype: np.dtype = FLOAT) -> np.ndarray:
    """An array of images or signals with its channels last in memory, and anything in it."""
    if len(shape) == 3:
        N, C, L = shape
        return empty((N, L, C), dtype).transpose(0, 2, 1)
    N, C, H, W = shape
    return empty((N, H, W, C), dtype).transpose(0, 3, 1, 2)


def to_channels_last(array: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """The float32 images or signals with their channels last: themselves, or a copy.

    With `mask`, an array of the same shape and order of axes, they are 0 where `mask` is not above 0.
    """
    if mask is None and is_channels_last(array):
        return array
    if array.ndim == 3:
        lifted = to_channels_last(array[:, :, None], None if mask is None else mask[:, :, None])
        return lifted[:, :, 0]
    result = empty_channels_last(array.shape)
    if any(s % 4 for s in array.strides) or not array.flags.aligned:
        array = packed(array)
    strides = array_of(ctypes.c_long, "to_channels_last: strides", *[s // 4 for s in array.strides])
    N, C, H, W = array.shape
    library.active.to_channels_last(library.threads, N, C, H, W, address(array), strides,
                                    None if mask is None else address(mask), address(result))
    return result


def channel_sums(array: np.ndarray) -> np.ndarray:
    """The sum of each channel of images with their channels last."""
    owner, count, C = library.active, pixels(array), array.shape[1]
    result, room = empty((C,)), empty((owner.channel_sums_room(count, C),))
    owner.channel_sums(library.threads, count, C, address(array), address(result), address(room))
    return result


def dense_like(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The array in C order or with its channels last, copied if it is neither, and a new one of its order."""
    if is_channels_last(array):
        return array, empty_channels_last(array.shape, array.dtype)
    return packed(array), empty(array.shape, array.dtype)


def in_order_of(like: np.ndarray, array: np.ndarray) -> np.ndarray:
    """`array` in the memory order of `like`, which is in C order or has its channels last."""
    return to_channels_last(array) if is_channels_last(like) else packed(array)


def pixels(array: np.ndarray) -> int:
    """How many pixels all images have."""
    return array.shape[0] * math.prod(array.shape[2:])
