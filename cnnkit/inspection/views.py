"""What a network looks for and what it sees: filters, feature maps and Sobel edges as pictures in
the terminal.
"""

from __future__ import annotations

from typing import Any

import cnnkit.functional as F
from cnnkit import backends, nn
from cnnkit.autograd import Tensor, no_grad, tensor
from cnnkit.foreign import is_array
from cnnkit.inspection.picture import Gallery, Picture, Sheet
from cnnkit.inspection.unchanged import unchanged

__all__ = ["show", "show_feature_maps", "show_filters", "sobel"]

# brightness from left to right (Sobel and Feldman 1968)
SOBEL = [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]


def show(model: nn.Module, image: Any, layer: str | None = None, *, most: int = 16) -> Sheet:
    """Show an image, a model's filters, and its feature maps of that image: bright pixels are
    strong activations.

    Parameters
    ----------
    model : Module
        Takes images (N, C, H, W).
    image : Tensor or array, (H, W), (C, H, W) or (1, C, H, W)
        What the model is shown; uint8 pictures are divided by 255.
    layer : str, optional
        A layer's dotted name, as `summary` shows it; by default all convolutions.
    most : int
        How many filters and maps of a layer to show at most.

    Returns
    -------
    Sheet
        ``print`` shows it in plain characters, `rich.print` in grey levels.

    Raises
    ------
    ValueError
        If the model has no such layer, or cannot take the image.

    >>> import cnnkit
    >>> from cnnkit import models
    >>> sheet = show(models.CommonCNN((1, 8, 8)), cnnkit.tensor([[0.0] * 8] * 8), "features.pool1")
    >>> [gallery.title for gallery in sheet.galleries]
    ['image, (1, 8, 8)', 'features.pool1: MaxPool2d, 8 feature maps of 4 x 4']
    """
    image = _batch_of_one(model, image)
    names = [layer] if layer is not None else _convolutions(model)
    galleries = [Gallery([Picture(c) for c in image[0]], title=f"image, {image.shape[1:]}")]
    for name in names:
        if isinstance(_layer(model, name), nn.Conv2d):
            galleries.append(show_filters(model, name, most=most))
        galleries.append(show_feature_maps(model, image, name, most=most))
    return Sheet(galleries)


def show_filters(model: nn.Module, layer: str | None = None, *, most: int = 16) -> Gallery:
    """Show a convolution's filters, each with its input channels side by side.

    One scale for all: mid-grey is 0, white the largest weight, black its negative.

    Parameters
    ----------
    model : Module
        A convolution, or a model that has one.
    layer : str, optional
        The convolution's dotted name; by default the first.
    most : int
        How many filters to show at most; of each, as many input channels.

    >>> from cnnkit import nn
    >>> show_filters(nn.Conv2d(3, 8, 5)).title
    'Conv2d, 8 filters of 5 x 5 on 3 channels'
    """
    name = layer if layer is not None else _convolutions(model)[0]
    convolution = _layer(model, name)
    if not isinstance(convolution, nn.Conv2d):
        raise ValueError(f"{name} is a {type(convolution).__name__}, which has no filters; convolutions are "
                         f"{', '.join(_convolutions(model))}")
    weight = convolution.weight.detach()
    K, C, R, S = weight.shape
    peak = float(weight.abs().max())
    blank = tensor([[-peak]] * R, dtype=backends.dtype_name(weight.dtype)).to(weight.backend)
    pictures = []
    for k in range(min(K, most)):
        parts = [weight[k, 0]]
        for c in range(1, min(C, most)):
            parts += [blank, weight[k, c]]
        pictures.append(Picture(F.cat(parts, 1), f"filter {k}", low=-peak, high=peak))
    channels = f"{C} channel{'s' * (C != 1)}"
    return Gallery(pictures, _title(name, f"Conv2d, {K} filters of {R} x {S} on {channels}"),
                   _rest(K, most, "filters"))


def show_feature_maps(model: nn.Module, image: Any, layer: str | None = None, *, most: int = 16) -> Gallery:
    """Show what a layer makes of an image: one picture a channel, bright where the activation is strong.

    One scale for all: black is the layer's least value (0 after a ReLU), white its greatest.

    Parameters
    ----------
    model, image, layer, most
        As in `show`; by default the first convolution. The run changes nothing in the model.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> show_feature_maps(nn.ReLU(), cnnkit.tensor([[-1.0, 0.0], [0.5, 1.0]]), "").pictures[0].levels
    [[0, 0], [128, 255]]
    """
    image = _batch_of_one(model, image)
    name = layer if layer is not None else _convolutions(model)[0]
    module = _layer(model, name)
    seen: list[Tensor] = []
    with unchanged(model):
        handle = module.register_forward_hook(lambda module, inputs, output: seen.append(output))
        try:
            model(image)
        finally:
            handle.remove()
    if not seen or not isinstance(seen[0], Tensor) or seen[0].ndim != 4:
        what = "is not called"
        if seen:
            what = f"makes {seen[0].shape if isinstance(seen[0], Tensor) else type(seen[0]).__name__}"
        raise ValueError(f"{name} {what}: there are no feature maps (N, C, H, W) to show")
    maps = seen[0][0]
    K, P, Q = maps.shape
    low, high = -float((-maps).max()), float(maps.max())
    pictures = [Picture(maps[k], f"map {k}", low, high) for k in range(min(K, most))]
    return Gallery(pictures, _title(name, f"{type(module).__name__}, {K} feature maps of {P} x {Q}"),
                   _rest(K, most, "maps"))


def sobel(image: Any) -> Gallery:
    """Show an image's edges, found by Sobel's two filters through `functional.conv2d`: what a
    convolution can detect.

    Parameters
    ----------
    image : Tensor or array, (H, W), (C, H, W) or (1, C, H, W)
        Channels are averaged.

    Returns
    -------
    Gallery
        The image, its vertical edges, its horizontal edges, and both: sqrt(x^2 + y^2).

    >>> import cnnkit
    >>> [p.caption for p in sobel(cnnkit.tensor([[0.0, 0.0, 1.0, 1.0]] * 4)).pictures]
    ['image', 'vertical edges', 'horizontal edges', 'edges']
    """
    grey = _image(image).mean(1, keepdim=True)
    if min(grey.shape[2:]) < 3:
        raise ValueError(f"sobel needs an image of at least 3 x 3 pixels; got {grey.shape[2:]}")
    across = [list(row) for row in zip(*SOBEL)]
    filters = tensor([[SOBEL], [across]], dtype=backends.dtype_name(grey.dtype), backend=grey.backend)
    with no_grad():
        edges = F.conv2d(grey, filters)[0]
        both = (edges * edges).sum(0).sqrt()
    peak = float(both.max())
    return Gallery([Picture(grey[0, 0], "image"), Picture(edges[0].abs(), "vertical edges", 0.0, peak),
                    Picture(edges[1].abs(), "horizontal edges", 0.0, peak),
                    Picture(both, "edges", 0.0, peak)], "Sobel edges: two filters of 3 x 3 through conv2d")


def _image(image: Any) -> Tensor:
    """(1, C, H, W), floating-point, without tape."""
    if not isinstance(image, Tensor):
        image = Tensor(image) if is_array(image) else tensor(image)
    image = image.detach()
    if not 2 <= image.ndim <= 4 or (image.ndim == 4 and image.shape[0] != 1):
        raise ValueError(f"one image is (H, W), (C, H, W) or (1, C, H, W); got shape {image.shape}")
    if "float" not in backends.dtype_name(image.dtype):
        image = image.float() / (255 if backends.dtype_name(image.dtype) == "uint8" else 1)
    return image.reshape((1,) * (4 - image.ndim) + image.shape)


def _batch_of_one(model: nn.Module, image: Any) -> Tensor:
    """The image where the model's parameters are, and of their dtype."""
    image = _image(image)
    like = next(model.parameters(), None)
    return image if like is None else image.to(like.backend, dtype=backends.dtype_name(like.dtype))


def _convolutions(model: nn.Module) -> list[str]:
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    if not names:
        raise ValueError(f"{type(model).__name__} has no convolution to show; name one of its layers: "
                         f"{', '.join(n for n, _ in model.named_modules() if n)}")
    return names


def _layer(model: nn.Module, name: str) -> nn.Module:
    layers = dict(model.named_modules())
    if name not in layers:
        raise ValueError(f"{type(model).__name__} has no layer {name!r}; "
                         f"it has {', '.join(n for n in layers if n)}")
    return layers[name]


def _title(name: str, what: str) -> str:
    return f"{name}: {what}" if name else what


def _rest(count: int, most: int, what: str) -> str:
    return f"{count - most} more {what} are not shown" if count > most else ""
