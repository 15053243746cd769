"""A small detector without anchors: every pixel of every level says what is there, and how large it is.

As in "Objects as points" (Zhou, Wang and Krähenbühl 2019) and FCOS (Tian et al. 2019): the pixels at an
object's centre are responsible for it, at the level whose pixels fit its size (Lin et al. 2017, section 4.2).
The same head works on all levels of a feature pyramid, or on a classifier's last map alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cnnkit
import cnnkit.functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor, no_grad
from cnnkit.models import catalogue
from cnnkit.models.boxes import generalized_iou, nms
from cnnkit.models.building import architecture
from cnnkit.models.pyramid import with_fpn

__all__ = ["AnchorFreeHead", "Detector", "detection_loss", "fpn_detector"]

LARGEST = 6.0  # of the exponent: an object may be e**6 times as large as its level's


class Places(NamedTuple):
    """Where the pixels of all levels lie in the image, one after the other: each a Tensor (P,)."""

    x: Tensor  # of their centres
    y: Tensor
    stride: Tensor  # pixels of the image for one of the level
    least: Tensor  # the sizes of the objects that they are responsible for, from `least`
    most: Tensor  # to `most`


class AnchorFreeHead(nn.Module):
    """Two 3x3 convolutions, and then the scores of the classes and the box, of every pixel of a level.

    Parameters
    ----------
    in_channels : int
        Channels of the levels.
    num_classes : int
        The number of scores.
    """

    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        groups = math.gcd(in_channels, max(1, in_channels // 4))  # not of one channel: levels may be 1x1
        tower: list[nn.Module] = []
        for _ in range(2):
            tower += [nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False),
                      nn.GroupNorm(groups, in_channels), nn.ReLU()]
        self.tower: nn.Sequential = nn.Sequential(*tower)
        self.scores: nn.Conv2d = nn.Conv2d(in_channels, num_classes, 3, padding=1)
        self.box: nn.Conv2d = nn.Conv2d(in_channels, 4, 3, padding=1)
        nn.init.normal_(self.scores.weight, std=0.01)
        nn.init.constant_(self.scores.get_parameter("bias"), -math.log(99))  # 1 % (Lin et al., "Focal loss")

    def forward(self, x: Tensor) -> Tensor:
        """(N, H * W, 4 + classes) of a level (N, C, H, W): shift of the centre, log of the size, scores."""
        x = self.tower(x)
        return F.cat([self.box(x), self.scores(x)], dim=1).flatten(2).permute(0, 2, 1)


class Detector(nn.Module):
    """A backbone that gives feature maps of one or several sizes, and a head for all of them.

    Parameters
    ----------
    backbone : Module
        Gives a dict of maps, the finest first, with ``out_channels`` channels each: `with_fpn`.
    num_classes : int
        The number of classes; an image's background is none.
    span : float
        The size, in pixels of its level, of the objects that a level is there for, and finds at first.

    >>> from cnnkit import models, zeros
    >>> model = Detector(models.with_fpn(models.resnet18(width_mult=0.125), 8), num_classes=2)
    >>> model(zeros((1, 3, 64, 64))).shape  # 16 x 16 + 8 x 8 + 4 x 4 + 2 x 2 + 1 places
    (1, 341, 6)
    """

    backbone: Any
    num_classes: int
    span: float

    def __init__(self, backbone: Any, num_classes: int, span: float = 4.0):
        super().__init__()
        self.backbone, self.num_classes, self.span = backbone, num_classes, span
        self.head: AnchorFreeHead = AnchorFreeHead(backbone.out_channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """The box, in pixels, and the scores of each class, of every place: (N, P, 4 + classes)."""
        levels = list(self.backbone(images).values())
        places = _places([level.shape[2:] for level in levels], images, self.span)
        found = F.cat([self.head(level) for level in levels], dim=1)
        centre_x = places.x + found[..., 0] * places.stride
        centre_y = places.y + found[..., 1] * places.stride
        unit = 0.5 * self.span * places.stride
        half_width, half_height = (unit * cnnkit.exp(found[..., n].clamp(max=LARGEST)) for n in (2, 3))
        boxes = cnnkit.stack([centre_x - half_width, centre_y - half_height,
                              centre_x + half_width, centre_y + half_height], dim=-1)
        return F.cat([boxes, found[..., 4:]], dim=2)

    def targets(self, image: Tensor, boxes: Sequence[Any], labels: Sequence[Any]) -> Tensor:
        """What `detection_loss` takes beside the output: the box and class number of each place.

        Parameters
        ----------
        image : Tensor, (N, C, H, W)
            For the size only.
        boxes : sequence of arrays (B, 4)
            Of each image: left, top, right and bottom in pixels.
        labels : sequence of arrays (B,)
            The boxes' classes, from 0 on.

        Returns
        -------
        Tensor, (len(boxes), P, 5)
            Four numbers of the box, and 1 + its class, or 0 where there is none.
        """
        with no_grad(), nn.evaluating(self):
            levels = self.backbone(image[:1])
        places = _places([level.shape[2:] for level in levels.values()], image, self.span)
        return cnnkit.stack([_target(places, cnnkit.tensor(corners, dtype=image.dtype, device=image.device),
                                     cnnkit.tensor(kinds, dtype=image.dtype, device=image.device))
                             for corners, kinds in zip(boxes, labels)])

    def detect(self, images: Tensor, *, score: float = 0.05, iou: float = 0.5,
               limit: int = 100) -> list[dict[str, Tensor]]:
        """Boxes, classes and scores of each image, the surest first; in evaluation mode, without tape.

        Parameters
        ----------
        images : Tensor, (N, C, H, W)
        score : float
            Boxes that are less sure are left out.
        iou : float
            Of boxes of a class that overlap by more, the surest is kept.
        limit : int
            At most so many boxes an image.

        Returns
        -------
        list of dict
            ``"boxes"`` (D, 4), ``"labels"`` (D,), ``"scores"`` (D,).
        """
        with no_grad(), nn.evaluating(self):
            return [self._kept(output[:, :4], cnnkit.sigmoid(output[:, 4:]), score, iou, limit)
                    for output in self(images)]

    def _kept(self, boxes: Tensor, scores: Tensor, least: float, iou: float, limit: int) -> dict[str, Tensor]:
        flat = scores.flatten()
        values, order = cnnkit.topk(flat, min(4 * limit, flat.numel()))
        order = order[:int((values >= least).sum().item())]
        rows, labels = order // self.num_classes, order % self.num_classes
        boxes, scores = boxes[rows], flat[order]
        apart = boxes + (labels * (2 * boxes.abs().max() + 1))[:, None] if len(order) else boxes
        kept = cnnkit.tensor(nms(apart, scores, iou)[:limit], dtype="int64", device=boxes.device)
        return {"boxes": boxes[kept], "labels": labels[kept], "scores": scores[kept]}


def detection_loss(output: Tensor, target: Tensor) -> Tensor:
    """Focal loss of the classes (Lin et al. 2017) and generalised IoU loss of the boxes, for each object.

    Parameters
    ----------
    output : Tensor, (N, P, 4 + classes)
        Of a `Detector`.
    target : Tensor, (N, P, 5)
        Of `Detector.targets`.
    """
    classes = cnnkit.arange(1, output.shape[2] - 3, dtype=target.dtype, device=target.device)
    truth = (target[..., 4:] == classes).to(output.dtype)
    found = (target[..., 4] > 0).to(output.dtype)
    count = found.sum().clamp(min=1)
    focal = F.sigmoid_focal_loss(output[..., 4:], truth, alpha=0.25, gamma=2, reduction="sum")
    overlap = generalized_iou(output[..., :4], target[..., :4])
    return (focal + ((1 - overlap) * found).sum()) / count


def _places(sizes: Sequence[tuple[int, ...]], image: Tensor, span: float) -> Places:
    """Where the pixels of levels of these sizes lie in the image, and for which objects they are there."""
    height, width = image.shape[-2:]
    columns: list[list[float]] = []
    for number, (rows, width_here) in enumerate(sizes):
        stride = math.sqrt(height / rows * width / width_here)
        # a level is there for what is nearest to its own size, on a scale of ratios
        least = 0.0 if number == 0 else span * stride / math.sqrt(2)
        most = math.inf if number == len(sizes) - 1 else span * stride * math.sqrt(2)
        columns += [[(j + 0.5) * width / width_here, (i + 0.5) * height / rows, stride, least, most]
                    for i in range(rows) for j in range(width_here)]
    table = cnnkit.tensor(columns, dtype=image.dtype, device=image.device)
    return Places(*(table[:, n] for n in range(5)))


def _target(places: Places, boxes: Tensor, labels: Tensor) -> Tensor:
    """The box and 1 + its class for each place, (P, 5); of several objects the smallest."""
    if not len(labels):
        return cnnkit.zeros((len(places.x), 5), dtype=places.x.dtype, device=places.x.device)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    size, reach = cnnkit.sqrt(width * height), 0.75 * places.stride[:, None]
    near = ((places.x[:, None] - (boxes[:, 0] + width / 2)).abs() <= reach) & (
        (places.y[:, None] - (boxes[:, 1] + height / 2)).abs() <= reach)
    fits = near & (size >= places.least[:, None]) & (size < places.most[:, None])
    smallest = cnnkit.where(fits, size[None, :], math.inf).argmin(dim=1)
    found = fits.any(dim=1)[:, None]
    row = cnnkit.cat([boxes, labels[:, None] + 1], dim=1)[smallest]
    return cnnkit.where(found, row, 0.0)


def _fpn_detector(*, backbone: str = "resnet18", num_classes: int = 10, levels: int = 4,
                  extra_level: bool = True, out_channels: int = 256, span: float = 4.0, in_channels: int = 3,
                  width_mult: float = 1.0) -> Detector:
    body = catalogue.make(backbone, in_channels=in_channels, width_mult=width_mult)
    return Detector(with_fpn(body, out_channels, levels=levels, extra_level=extra_level), num_classes, span)


@architecture(_fpn_detector, task="detection")
def fpn_detector(**settings: Any) -> Detector:
    """The head over a feature pyramid of the network that `backbone` names; see `Detector`."""
    return _fpn_detector(**settings)
