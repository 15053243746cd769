"""What every attribution asks of a model: the scores of some classes for some images, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from cnnkit import functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor, enable_grad, grad, no_grad, tensor
from cnnkit.backends import dtype_name
from cnnkit.foreign import is_array

__all__ = ["Question", "gradients", "groups", "question_for", "scores"]


class Question(NamedTuple):
    """Images (N, C, H, W) as the model takes them, one class for each (N,), and whether it was one image."""

    images: Tensor
    target: Tensor
    single: bool

    def answer(self, maps: Tensor) -> Tensor:
        """The maps (N, ...), or the one map of one image (C, H, W)."""
        return (maps[0] if self.single else maps).detach()


def question_for(model: nn.Module, images: Any, target: Any) -> Question:
    """The images on the model's backend, with its dtype, and the classes: by default the most probable.

    Raises
    ------
    ValueError
        If the images are not (N, C, H, W) or (C, H, W), if the model gives no scores (N, classes), or if
        there is no such class.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"attributions need an nn.Module; got {type(model).__name__}")
    x = (images if isinstance(images, Tensor) else Tensor(images) if is_array(images) else tensor(images))
    if x.ndim not in (3, 4) or not x.numel():
        raise ValueError(f"images are (N, C, H, W), or one (C, H, W); got shape {tuple(x.shape)}")
    like = next(model.parameters(), None)
    if like is not None:
        x = x.to(like.backend, dtype=like.dtype)
    elif "float" not in dtype_name(x.dtype):
        x = x.float()
    single = x.ndim == 3
    x = (x.unsqueeze(0) if single else x).detach()
    with nn.evaluating(model), no_grad():
        output = model(x)
    if not isinstance(output, Tensor) or output.ndim != 2 or output.shape[0] != x.shape[0]:
        made = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"attributions need a model that gives scores (N, classes); it gave {made} for "
                         f"images {tuple(x.shape)}")
    return Question(x, _classes(target, output), single)


def _classes(target: Any, output: Tensor) -> Tensor:
    """One class for each row of the scores (N, classes)."""
    N, classes = output.shape
    if target is None:
        return output.argmax(dim=1)
    target = target if isinstance(target, Tensor) else Tensor(target) if is_array(target) else tensor(target)
    kind = dtype_name(target.dtype)
    if "int" not in kind or tuple(target.shape) not in ((), (1,), (N,)):
        raise ValueError(f"target is a class, or one for each of {N} images; got {kind} of shape "
                         f"{tuple(target.shape)}")
    wrong = [int(c) for c in target.reshape(-1).tolist() if not 0 <= c < classes]
    if wrong:
        raise ValueError(f"target {wrong[0]}: the model has the classes 0 to {classes - 1}")
    return target.detach().to(output.backend).long().reshape(-1).expand(N)


def scores(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    """Each image's score of its class, (N,), as the tape is: recording or not."""
    with nn.evaluating(model):
        return model(images).gather(1, target.unsqueeze(1)).squeeze(1)


def gradients(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    """How each image's score of its class changes with each of its numbers, (N, C, H, W)."""
    with enable_grad():
        x = images.detach().requires_grad_()
        slope, = grad(scores(model, x, target).sum(), x, materialize_grads=True)
    return slope


def groups(question: Question, changed: Iterator[Tensor], batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Changed copies (N, ...) of the images, several in one batch (M N, ...), each with its classes."""
    N = question.images.shape[0]
    many = max(1, batch_size // N)
    group: list[Tensor] = []
    for images in changed:
        group.append(images)
        if len(group) == many:
            yield F.cat(group), F.cat([question.target] * len(group))
            group = []
    if group:
        yield F.cat(group), F.cat([question.target] * len(group))
