"""Boxes (left, top, right, bottom) in pixels: how much two overlap, and which of many are kept."""

from __future__ import annotations

import cnnkit
from cnnkit.autograd import Tensor

__all__ = ["box_iou", "generalized_iou", "nms"]


def _sides(a: Tensor, b: Tensor, inner: bool) -> tuple[Tensor, Tensor]:
    """Width and height of what two boxes share (`inner`), or of the smallest box around both."""
    first, last = (cnnkit.maximum, cnnkit.minimum) if inner else (cnnkit.minimum, cnnkit.maximum)
    width = last(a[..., 2], b[..., 2]) - first(a[..., 0], b[..., 0])
    height = last(a[..., 3], b[..., 3]) - first(a[..., 1], b[..., 1])
    return width.clamp(min=0), height.clamp(min=0)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _shared_and_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    width, height = _sides(a, b, inner=True)
    shared = width * height
    return shared, _area(a) + _area(b) - shared


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of each of M boxes with each of N: (M, N).

    >>> box_iou(cnnkit.tensor([[0.0, 0.0, 2.0, 2.0]]), cnnkit.tensor([[1.0, 0.0, 3.0, 2.0]])).tolist()
    [[0.3333333432674408]]
    """
    shared, union = _shared_and_union(boxes1[:, None, :], boxes2[None, :, :])
    return shared / union.clamp(min=1e-7)


def generalized_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes pair by pair, less the part of the box around both that is neither's.

    From -1 to 1, and with a slope where boxes do not meet (Rezatofighi et al. 2019).

    >>> apart = generalized_iou(cnnkit.tensor([0.0, 0.0, 1.0, 1.0]), cnnkit.tensor([3.0, 0.0, 4.0, 1.0]))
    >>> apart.item()
    -0.5
    """
    shared, union = _shared_and_union(a, b)
    width, height = _sides(a, b, inner=False)
    around = (width * height).clamp(min=1e-7)
    return shared / union.clamp(min=1e-7) - (around - union) / around


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> list[int]:
    """Non-maximum suppression: the boxes that overlap none of higher score by more than a threshold.

    Parameters
    ----------
    boxes : Tensor, (N, 4)
    scores : Tensor, (N,)
    iou_threshold : float
        From 0 to 1.

    Returns
    -------
    list of int
        Their numbers, that of the highest score first.

    >>> boxes = cnnkit.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 10.0, 10.0], [20.0, 0.0, 30.0, 10.0]])
    >>> nms(boxes, cnnkit.tensor([0.8, 0.9, 0.3]), 0.5)
    [1, 2]
    """
    if not len(boxes):
        return []
    overlaps = (box_iou(boxes, boxes) > iou_threshold).tolist()
    kept: list[int] = []
    for number in sorted(range(len(boxes)), key=scores.tolist().__getitem__, reverse=True):
        if not any(overlaps[number][other] for other in kept):
            kept.append(number)
    return kept
