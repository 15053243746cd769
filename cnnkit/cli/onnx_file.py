"""ONNX files as the commands take them: a model with the settings that a file of cnnkit's own would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn, onnx
from cnnkit.autograd import Tensor
from cnnkit.data import transforms

__all__ = ["Scores", "image_shape", "load_onnx", "normalisation"]

SIZE = 224  # pixels of height and width where the file leaves them open, as ImageNet's networks take


class Scores(nn.Module):
    """An `OnnxModel` that gives scores, also where its graph ends with a softmax; of any number of images."""

    def __init__(self, model: onnx.OnnxModel):
        super().__init__()
        self.model, self.input_format = model, model.input_format
        shape = model.inputs[0].shape
        self.batch = shape[0] if shape else None  # how many images the graph takes at once

    def forward(self, images: Tensor) -> Tensor:
        parts = [images] if self.batch in (None, len(images)) else cnnkit.split(images, self.batch)
        scores = F.cat([_first(self.model(part)) for part in parts])
        if scores.ndim > 2 and scores.numel() == scores.shape[0] * scores.shape[1]:  # pixels that are one
            scores = scores.flatten(1)
        return scores.log() if self.model.gives_probabilities else scores


def _first(outputs: Any) -> Tensor:
    return outputs[0] if isinstance(outputs, tuple) else outputs


def load_onnx(path: Path) -> models.SavedModel:
    """An ONNX model of one image input, with its input shape and the names of its classes.

    These are what the file's metadata says, where `cnnkit.onnx.export` wrote it; otherwise the shape is the
    graph's, and classes have numbers. Outputs that are probabilities already count as such.

    Raises
    ------
    ValueError
        If the model takes no images, or gives no score for each class.
    """
    model = onnx.load(path)
    shape = image_shape(model, str(path))
    scores = Scores(model).eval()
    with cnnkit.no_grad():
        made = scores(cnnkit.zeros((scores.batch or 1, *shape)))
    if made.ndim != 2:
        raise ValueError(f"{path}: its output has the shape {made.shape}; to classify images, a model gives "
                         "one score for each class, (N, classes)")
    named = None if model.input_format is None else model.input_format.classes
    count = made.shape[1]
    names = list(named) if named is not None and len(named) == count else [str(i) for i in range(count)]
    settings = {"classes": names, "input_shape": list(shape), "config": {}}
    return models.SavedModel(scores, settings)


def image_shape(model: Any, path: str, given: tuple[int, int, int] | None = None) -> tuple[int, int, int]:
    """(C, H, W) of the images that an `OnnxModel` takes: what the file says, then `given`, then 224 x 224.

    Raises
    ------
    ValueError
        If it has several inputs, or one that is no batch of images; if `given` is not what the file says.
    """
    shapes = [tensor.shape for tensor in model.inputs]
    learnt = None if model.input_format is None else model.input_format.shape
    if len(shapes) != 1 or shapes[0] is None or len(shapes[0]) != 4:
        inputs = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in model.inputs)
        raise ValueError(f"{path} takes {inputs}; "
                         "this command is for models of one input, images (N, C, H, W)")
    shape = tuple(shapes[0][1:])
    if given is not None and any(n not in (None, wanted) for n, wanted in zip(shape, given)):
        raise ValueError(f"--input-shape {','.join(map(str, given))}: {path} takes images of "
                         f"{' x '.join('?' if n is None else str(n) for n in shape)}; leave the option out")
    guess = given or (learnt if learnt is not None and len(learnt) == 3 else (3, SIZE, SIZE))
    channels, height, width = (wanted if n is None else n for n, wanted in zip(shape, guess))
    return channels, height, width


def normalisation(mean: str | None, std: str | None, channels: int) -> Any:
    """The transform of ``--mean`` and ``--std``: pictures scaled to [0, 1], shifted and divided.

    Raises
    ------
    ValueError
        If they are no numbers, or neither one nor one for each channel.

    >>> normalisation("0.5", "0.25", 3)
    Compose([ToTensor(), Normalize(mean=(0.5,), std=(0.25,))])
    """
    values = []
    for option, text in (("--mean", mean or "0"), ("--std", std or "1")):
        try:
            values.append(tuple(float(part) for part in text.split(",")))
        except ValueError:
            raise ValueError(f"{option} {text}: it takes numbers, such as 0.485,0.456,0.406") from None
        if len(values[-1]) not in (1, channels):
            raise ValueError(f"{option} {text}: it takes one number, or one for each of {channels} channels")
    return transforms.Compose([transforms.ToTensor(), transforms.Normalize(*values)])
