"""Which pixels a network's answers rest on, as pictures; and whether these maps depend on its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from cnnkit import attribution, nn
from cnnkit.autograd import Tensor
from cnnkit.plot.pictures import embedded, heat, thumbnail
from cnnkit.plot.svg import Line, chart

__all__ = ["METHODS", "attributions", "sanity"]

Method = Callable[[nn.Module, Tensor, Tensor], Tensor]

FINE = 64 * 64  # pixels of an image up to which nothing is spared
COMPARISONS = 8  # of maps with those of random weights


def _thrift(images: Tensor) -> int:
    """By what the work is divided: a page should take seconds."""
    return 1 if images.shape[2] * images.shape[3] <= FINE else 2


def _occlusion(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    H, W = images.shape[2:]
    stride = None if _thrift(images) == 1 else (H // 7, W // 7)  # the windows do not overlap then
    return attribution.occlusion(model, images, target, stride=stride)


def _smooth(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    return attribution.smooth_grad(model, images, target, samples=12 // _thrift(images))


def _integrated(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    return attribution.integrated_gradients(model, images, target, steps=24 // _thrift(images))


METHODS: dict[str, tuple[Method, bool, str]] = {  # the function, whether it has signs, and what it shows
    "Saliency": (attribution.saliency, False, "the score's gradient"),
    "SmoothGrad": (_smooth, False, "its mean over noisy copies"),
    "Integrated gradients": (_integrated, True,
                             "what each pixel adds on the way from black, or the mean, to the image"),
    "Occlusion": (_occlusion, True, "how far the score falls where the pixel is covered"),
    "Grad-CAM": (attribution.grad_cam, False, "the last convolution's maps, by their gradients"),
}


def attributions(model: nn.Module, images: Tensor, target: Tensor, pictures: Iterable[np.ndarray],
                 texts: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each image: the picture and its map by each method that the model allows."""
    rows: list[dict[str, Any]] = [{"picture": embedded(thumbnail(p)), "text": text, "maps": []}
                                  for p, text in zip(pictures, texts)]
    for name, (method, signed, _) in METHODS.items():
        if name == "Grad-CAM" and not any(isinstance(m, nn.Conv2d) for m in model.modules()):
            continue
        maps = method(model, images, target).numpy()
        for row, picture, values in zip(rows, pictures, maps):
            flat = values.sum(0) if signed else values.max(0)
            row["maps"].append({"name": name, "picture": embedded(thumbnail(heat(picture, flat, signed)))})
    return rows


def _coarse(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    """Integrated gradients in few steps, good enough for an order of pixels."""
    return attribution.integrated_gradients(model, images, target, steps=8 // _thrift(images))


def sanity(model: nn.Module, images: Tensor, target: Tensor) -> str:
    """A chart of how similar two kinds of maps stay while the weights become random, from the end on."""
    layers = [name for name, m in model.named_modules() if any(True for _ in m.parameters(recurse=False))]
    places = {name: n for n, name in enumerate(reversed(layers), 1)}
    lines = []
    for colour, (name, method) in enumerate((("Saliency", attribution.saliency),
                                             ("Integrated gradients", _coarse))):
        rows = attribution.sanity_check(method, model, images, target, most=COMPARISONS // _thrift(images))
        points = [(0.0, 1.0), *((float(places[row.layer]), row.similarity) for row in rows)]
        lines.append(Line(name, points, colour))
    return chart(lines, "Similarity of the maps", x_label="layers with random weights, from the last on")
