"""Grad-CAM: which places of a layer's feature maps a score rests on."""

from __future__ import annotations

from typing import Any

from cnnkit import functional as F
from cnnkit import nn
from cnnkit.attribution.scores import question_for, scores
from cnnkit.autograd import Tensor, enable_grad, grad

__all__ = ["grad_cam", "last_convolution"]


def grad_cam(model: nn.Module, images: Any, target: Any = None, *, layer: str | None = None,
             resize: bool = True, positive: bool = True) -> Tensor:
    """A layer's feature maps, added up with the mean gradient of a score by each (Selvaraju et al. 2017).

    Parameters
    ----------
    model, images, target
        As in `saliency`.
    layer : str, optional
        The dotted name of a layer that makes maps (N, K, P, Q); by default the last convolution.
    resize : bool
        Enlarge the map to the image's size, bilinearly.
    positive : bool
        Leave out what speaks against the class, as the paper does.

    Returns
    -------
    Tensor, (N, 1, H, W) or (1, H, W)
        One map for each image.

    Raises
    ------
    ValueError
        If the layer makes no feature maps, or is not called once; if there is no such layer.

    >>> import cnnkit
    >>> from cnnkit import models
    >>> grad_cam(models.CommonCNN((1, 8, 8)), cnnkit.rand(2, 1, 8, 8)).shape
    (2, 1, 8, 8)
    """
    question = question_for(model, images, target)
    name = last_convolution(model) if layer is None else layer
    made: list[Any] = []

    def keep(module: nn.Module, inputs: tuple, output: Any) -> Any:
        made.append(output)
        return output.clone() if isinstance(output, Tensor) else None  # what works in place changes the copy

    handle = model.get_submodule(name).register_forward_hook(keep)
    try:
        with enable_grad():
            score = scores(model, question.images.detach().requires_grad_(), question.target).sum()
    finally:
        handle.remove()
    maps = made[0] if len(made) == 1 else None
    if not isinstance(maps, Tensor) or maps.ndim != 4:
        problem = f"is called {len(made)} times" if len(made) != 1 else "makes " + (
            str(tuple(maps.shape)) if isinstance(maps, Tensor) else type(made[0]).__name__)
        raise ValueError(f"{name or 'the model'} {problem}: Grad-CAM needs a layer that makes maps "
                         "(N, K, P, Q) once")
    slope, = grad(score, maps, materialize_grads=True)
    cam = (slope.mean((2, 3), keepdim=True) * maps.detach()).sum(1, keepdim=True)
    cam = F.relu(cam) if positive else cam
    if resize:
        cam = F.interpolate(cam, tuple(question.images.shape[2:]), mode="bilinear")
    return question.answer(cam)


def last_convolution(model: nn.Module) -> str:
    """The dotted name of the last convolution in the order of the model's modules.

    >>> from cnnkit import models
    >>> last_convolution(models.CommonCNN((1, 8, 8)))
    'features.conv2'
    """
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    if not names:
        raise ValueError(f"{type(model).__name__} has no convolution; name a layer that makes feature maps: "
                         f"{', '.join(name for name, _ in model.named_modules() if name)}")
    return names[-1]
