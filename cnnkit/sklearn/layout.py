"""Layout: the shape of the images that arrays hold, as rows of pixels or with three or four axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.data.layout import DATA_FORMATS, channels_last
from cnnkit.foreign import is_array

__all__ = ["Layout"]


@dataclass(frozen=True)
class Layout:
    """The shape (C, H, W) of an image, and whether its channels lie last in the user's arrays.

    >>> Layout.of((100, 30)), Layout.of((100, 784), (28, 28)).shape
    (Layout(shape=(1, 1, 30), channels_last=False), (1, 28, 28))
    >>> Layout.of((9, 32, 32, 3))
    Layout(shape=(3, 32, 32), channels_last=True)
    """

    shape: tuple[int, int, int]
    channels_last: bool = False

    @classmethod
    def of(cls, shape: Sequence[int], image_shape: Sequence[int] | None = None,
           data_format: str | None = None) -> Layout:
        """The layout of an array (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C).

        Parameters
        ----------
        shape : sequence of int
            Of the array.
        image_shape : (H, W), (C, H, W), or (H, W, C) with ``data_format="NHWC"``, optional
            What a flat row is; without it, a row is an image (1, 1, F).
        data_format : {"NCHW", "NHWC"}, optional
            Where the channels are, where the shape leaves that open.

        Raises
        ------
        ValueError
            If the shape leaves open where the channels are, or `image_shape` is not the images' shape.
        """
        if data_format not in DATA_FORMATS:
            raise ValueError(f"data_format is 'NCHW', 'NHWC' or None; got {data_format!r}")
        last = data_format == "NHWC"
        requested = None if image_shape is None else _image_shape(image_shape, last)
        if len(shape) == 2:
            actual = requested or (1, 1, int(shape[1]))
            if math.prod(actual) != shape[1]:
                raise ValueError(f"image_shape={tuple(image_shape or ())} has {math.prod(actual)} pixels, "
                                 f"but a row of X has {shape[1]} features; X has shape {tuple(shape)}")
        elif len(shape) == 3:
            actual, last = (1, int(shape[1]), int(shape[2])), False
        elif len(shape) == 4:
            found = channels_last(shape, data_format)
            if found is None:
                raise ValueError(f"X of shape {tuple(shape)} may be (N, C, H, W) or (N, H, W, C): "
                                 "pass data_format='NCHW' or 'NHWC'")
            last = found
            a, b, c = (int(n) for n in shape[1:])
            actual = (c, a, b) if last else (a, b, c)
        else:
            raise ValueError(f"X has shape {tuple(shape)}; images are (N, H, W), (N, C, H, W), (N, H, W, C), "
                             "or rows (N, F). Expected 2D array, 3D or 4D. Reshape your data")
        if requested is not None and requested != actual:
            raise ValueError(f"image_shape={tuple(image_shape or ())} is not the shape of the images in X, "
                             f"{tuple(shape)}; leave it out, or reshape X")
        return cls(actual, last)

    @property
    def spelled(self) -> tuple[int, ...]:
        """The shape of one image as the user's arrays have it."""
        C, H, W = self.shape
        return (H, W, C) if self.channels_last else (C, H, W)

    def rows(self, X: Any) -> Any:
        """`X` with one row of pixels an image; a flat `X`, or one that is no array, stays as it is.

        Raises
        ------
        ValueError
            If `X` holds images of another shape.
        """
        if not is_array(X) or len(X.shape) not in (3, 4):
            return X
        shape = tuple(X.shape[1:])
        if shape != self.spelled and not (self.shape[0] == 1 and shape == self.shape[1:]):
            raise ValueError(f"X has images of shape {shape}; this estimator takes {self.spelled}")
        return np.reshape(X, (X.shape[0], math.prod(shape)))

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Rows (N, F) as a view (N, C, H, W)."""
        images = rows.reshape(len(rows), *self.spelled)
        return images.transpose(0, 3, 1, 2) if self.channels_last else images


def _image_shape(shape: Any, last: bool) -> tuple[int, int, int]:
    try:
        sizes = [int(n) for n in shape]
    except (TypeError, ValueError):
        sizes = []
    if len(sizes) not in (2, 3) or min(sizes) < 1:
        raise ValueError(f"image_shape is (H, W), or {'(H, W, C)' if last else '(C, H, W)'}; got {shape!r}")
    if len(sizes) == 2:
        return 1, sizes[0], sizes[1]
    return (sizes[2], sizes[0], sizes[1]) if last else (sizes[0], sizes[1], sizes[2])
