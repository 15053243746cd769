"""Occlusion: how far a score falls where a part of the image is covered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnnkit import nn
from cnnkit.attribution.scores import groups, question_for, scores
from cnnkit.autograd import Tensor, no_grad, tensor
from cnnkit.backends import dtype_name
from cnnkit.shapes import per_axis

__all__ = ["occlusion"]


def occlusion(model: nn.Module, images: Any, target: Any = None, *,
              window: int | tuple[int, int] | None = None, stride: int | tuple[int, int] | None = None,
              baseline: float = 0.0, batch_size: int = 64) -> Tensor:
    """How far a class's score falls while a window covers a pixel (Zeiler and Fergus 2014).

    The window moves over the image and covers all channels; a pixel gets the mean over the windows that
    cover it.

    Parameters
    ----------
    model, images, target
        As in `saliency`.
    window : int or (height, width), optional
        In pixels; it is cut to the image's size. By default a seventh of that, and two at least.
    stride : int or (height, width), optional
        How far it moves; by default half its size.
    baseline : float
        What stands under it.
    batch_size : int
        At most so many images at a time.

    Returns
    -------
    Tensor
        Of the images' shape; positive where the class needs what is there.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> layer = nn.Linear(4, 1, bias=False)
    >>> layer.weight = nn.Parameter(cnnkit.tensor([[1.0, -2.0, 0.0, 3.0]]))
    >>> occlusion(nn.Sequential(nn.Flatten(), layer), cnnkit.ones(1, 2, 2), window=1)
    tensor([[[ 1., -2.],
             [ 0.,  3.]]])
    """
    question = question_for(model, images, target)
    x = question.images
    H, W = x.shape[2:]
    height, width = per_axis((max(2, H // 7), max(2, W // 7)) if window is None else window, "window")
    height, width = min(height, H), min(width, W)
    down, across = per_axis((max(1, height // 2), max(1, width // 2)) if stride is None else stride, "stride")
    if (down > height and height < H) or (across > width and width < W):
        raise ValueError(f"stride {(down, across)}: pixels between windows of {(height, width)} would never "
                         "be covered")
    places = [(top, left) for top in _starts(H, height, down) for left in _starts(W, width, across)]

    def masks() -> Iterator[Tensor]:
        for top, left in places:
            down, across = ([float(start <= i < start + length) for i in range(size)]
                            for start, length, size in ((top, height, H), (left, width, W)))
            covered = [tensor(axis, dtype=dtype_name(x.dtype)).to(x.backend) for axis in (down, across)]
            yield covered[0].unsqueeze(1) * covered[1]

    with no_grad():
        whole = scores(model, x, question.target)
        falls: list[Tensor] = []
        for group, classes in groups(question, (x * (1 - mask) + baseline * mask for mask in masks()),
                                     batch_size):
            falls.extend(whole - part for part in scores(model, group, classes).reshape(-1, x.shape[0]))
        total, covered = 0.0 * x, 0.0 * x[0, 0]
        for fall, mask in zip(falls, masks()):
            total, covered = total + fall.reshape(-1, 1, 1, 1) * mask, covered + mask
    return question.answer(total / covered)


def _starts(size: int, window: int, stride: int) -> range:
    """Where windows begin, so that every pixel is covered; the last one may reach beyond the end."""
    return range(0, size - window + stride, stride)
