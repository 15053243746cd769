"""Where the channels of an array of images are: (N, C, H, W), as in PyTorch, or (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["CHANNELS", "DATA_FORMATS", "channels_last"]

CHANNELS = (1, 3, 4)  # gray, RGB, RGB and alpha
DATA_FORMATS = (None, "NCHW", "NHWC")


def channels_last(shape: Sequence[int], data_format: str | None = None,
                  channels: int | None = None) -> bool | None:
    """Whether the last of four axes holds the channels; ``None`` where the shape leaves that open.

    In this order: what `data_format` says; the axis with the number of `channels` that the network takes; the
    axis with 1, 3 or 4 entries. Where both ends have such a number, images are taken for squares.

    Parameters
    ----------
    shape : (N, ..., ..., ...)
        Of the array.
    data_format : {"NCHW", "NHWC"}, optional
    channels : int, optional
        How many channels the network takes, where that is known.

    Raises
    ------
    ValueError
        If there is no such `data_format`.

    >>> channels_last((9, 3, 32, 32)), channels_last((9, 32, 32, 3)), channels_last((9, 8, 8, 8))
    (False, True, None)
    >>> channels_last((9, 3, 8, 3)), channels_last((9, 16, 8, 4), channels=16)
    (None, False)
    """
    if data_format not in DATA_FORMATS:
        raise ValueError(f"data_format is 'NCHW', 'NHWC' or None; got {data_format!r}")
    if data_format is not None:
        return data_format == "NHWC"
    _, first, middle, last = shape
    if channels in (first, last) and first != last:
        return last == channels
    if first in CHANNELS and last in CHANNELS:
        square, square_last = middle == last != first, first == middle != last and first > 1
        return square_last if square != square_last else None
    if last in CHANNELS:
        # maps of 4 x 4 pixels with many channels, or images with more channels than rows or columns
        return None if middle == last or min(first, middle) < last else True
    return False if first in CHANNELS else None
