"""Pixels moved between channels and places, on Tensors."""

from __future__ import annotations

from cnnkit.autograd import Tensor

__all__ = ["channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Images `upscale_factor` times as large, whose pixels come from channels (Shi et al. 2016).

    Parameters
    ----------
    input : Tensor, (..., C r r, H, W)
        With r the `upscale_factor`.
    upscale_factor : int
        At least 1.

    Returns
    -------
    Tensor, (..., C, H r, W r)

    Raises
    ------
    ValueError
        If there are fewer than three axes, or r * r does not divide the channels.

    >>> import cnnkit
    >>> pixel_shuffle(cnnkit.tensor([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]), 2)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    shape, r = input.shape, upscale_factor
    if len(shape) < 3 or r < 1 or shape[-3] % (r * r):
        raise ValueError(f"pixel_shuffle takes (..., C {r * r}, H, W) for upscale_factor={r}; got an input "
                         f"of shape {shape}")
    *batch, channels, height, width = shape
    n, C = len(batch), channels // (r * r)
    parts = input.reshape(*batch, C, r, r, height, width)
    parts = parts.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return parts.reshape(*batch, C, height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The way back from `pixel_shuffle`: smaller images with more channels.

    Parameters
    ----------
    input : Tensor, (..., C, H r, W r)
        With r the `downscale_factor`.
    downscale_factor : int
        At least 1.

    Returns
    -------
    Tensor, (..., C r r, H, W)

    Raises
    ------
    ValueError
        If there are fewer than three axes, or r does not divide height and width.

    >>> import cnnkit
    >>> pixel_unshuffle(cnnkit.tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2).flatten()
    tensor([1., 2., 3., 4.])
    """
    shape, r = input.shape, downscale_factor
    if len(shape) < 3 or r < 1 or shape[-2] % r or shape[-1] % r:
        raise ValueError(f"pixel_unshuffle takes (..., C, H {r}, W {r}) for downscale_factor={r}; got an "
                         f"input of shape {shape}")
    *batch, C, height, width = shape
    n = len(batch)
    parts = input.reshape(*batch, C, height // r, r, width // r, r)
    parts = parts.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return parts.reshape(*batch, C * r * r, height // r, width // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The channels in another order, so that each group gets some of all others (Zhang et al. 2018).

    Parameters
    ----------
    input : Tensor, (N, C, ...)
        With at least three axes.
    groups : int
        Must divide C.

    Raises
    ------
    ValueError
        If there are fewer than three axes, or the groups do not divide the channels.

    >>> import cnnkit
    >>> channel_shuffle(cnnkit.tensor([[[1.0], [2.0], [3.0], [4.0]]]), 2).flatten()
    tensor([1., 3., 2., 4.])
    """
    shape = input.shape
    if len(shape) < 3 or groups < 1 or shape[1] % groups:
        raise ValueError(f"channel_shuffle takes (N, C, ...), with C a multiple of groups={groups}; got an "
                         f"input of shape {shape}")
    N, C, *size = shape
    return input.reshape(N, groups, C // groups, *size).transpose(1, 2).reshape(shape)
