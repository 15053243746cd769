"""The guide's "choosing a CNN architecture" as one call, and its common architecture as the example."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from cnnkit import evaluation, nn, shapes
from cnnkit.autograd import Tensor
from cnnkit.backends import dtype_name
from cnnkit.foreign import is_whole
from cnnkit.models.registry import register

__all__ = ["CNN", "CommonCNN"]

ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "silu": nn.SiLU,
               "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
POOLINGS = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


@register
class CNN(nn.Module):
    """Convolutions with activation and pooling, then dense layers: the guide's choices, one argument each.

    The result is one score (logit) a class, not probabilities: `functional.cross_entropy` takes scores and is
    exact where a softmax would have rounded to 0 or 1. `predict_proba` applies the guide's softmax.

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of one image.
    conv : sequence of (filters, kernel_size) or (filters, kernel_size, stride)
        One entry a convolution, in order.
    padding : int, pair, "same" or "valid"
        Padding of all convolutions, as in `nn.Conv2d`; ``"same"`` keeps the size where the stride is 1.
    stride : int or pair
        Stride of the convolutions whose entry in `conv` has none.
    pool : int, or list with one entry a convolution
        Window and stride of the pooling after each convolution; 0 for none.
    hidden : sequence of int
        Neurons of the dense layers before the last.
    classes : int
        The number of scores.
    activation : {"relu", "leaky_relu", "elu", "silu", "sigmoid", "tanh"}
        The activation after every convolution and every hidden layer.
    pooling : {"max", "avg"}
        Whether pooling takes the maximum or the mean of each window.
    dropout : float
        Probability of a zero after each hidden layer.
    batch_norm : bool
        Normalise after every convolution, which then has no bias of its own.
    ceil_mode : bool
        Pool incomplete windows at the bottom and right edge too, so that 7 pixels become 4 and 1 stays 1:
        fits images of any size.
    dtype : str
        The dtype of the parameters.
    backend : str, optional
        Where the parameters are made; by default the backend in use. It is not part of `config`.

    Attributes
    ----------
    features, classifier : Sequential
        The convolutional and the dense part.
    config : dict
        The arguments, as JSON can hold them: ``models.build(type(model).__name__, model.config)`` makes the
        same layers.

    Raises
    ------
    ValueError
        If an argument makes no sense, or an image gets smaller than a kernel or a pooling window; the message
        says at which layer, and what would fit.

    >>> from cnnkit import models
    >>> model = models.CNN((1, 28, 28), conv=[(8, 3), (16, 5, 2)], hidden=[64], classes=3)
    >>> model.classifier
    Sequential(
      (flatten): Flatten(start_dim=1, end_dim=-1)
      (fc1): Linear(in_features=144, out_features=64, bias=True)
      (relu1): ReLU()
      (fc2): Linear(in_features=64, out_features=3, bias=True)
    )
    """

    input_shape: tuple[int, int, int]
    classifier: nn.Sequential
    features: nn.Sequential

    def __init__(self, input_shape: Sequence[int], conv: Sequence[Sequence[Any]] = ((8, 3), (16, 3)),
                 padding: Any = "same", stride: Any = 1, pool: Any = 2, hidden: Sequence[int] = (128,),
                 classes: int = 10, *, activation: str = "relu", pooling: str = "max", dropout: float = 0.0,
                 batch_norm: bool = False, ceil_mode: bool = False,
                 dtype: Any = "float32", backend: Any = None):
        super().__init__()
        channels, height, width = self.input_shape = _input_shape(type(self).__name__, input_shape)
        self.config: dict[str, Any] = _plain({
            "input_shape": self.input_shape, "conv": conv, "padding": padding, "stride": stride, "pool": pool,
            "hidden": hidden, "classes": classes, "activation": activation, "pooling": pooling,
            "dropout": dropout, "batch_norm": batch_norm, "ceil_mode": ceil_mode,
            "dtype": dtype_name(dtype)})
        placement = {"dtype": dtype, "backend": backend}
        activation_class = _choice("activation", activation, ACTIVATIONS)
        pooling_class = _choice("pooling", pooling, POOLINGS)
        convolutions, pools = _convolutions(conv, stride), _pools(pool, len(conv))
        hidden, (classes,) = _counts("hidden", hidden), _counts("classes", [classes])

        features: dict[str, nn.Module] = {}
        size = height, width
        for number, ((filters, kernel_size, step), window) in enumerate(zip(convolutions, pools), 1):
            size = self._size_after(size, f"conv {number}", kernel_size, step, padding)
            features[f"conv{number}"] = nn.Conv2d(channels, filters, kernel_size, step, padding,
                                                  bias=not batch_norm, **placement)
            if batch_norm:
                features[f"norm{number}"] = nn.BatchNorm2d(filters, **placement)
            features[f"{activation}{number}"] = activation_class()
            if window:
                size = self._size_after(size, f"pool {number}", window, window, 0, ceil_mode)
                features[f"pool{number}"] = pooling_class(window, ceil_mode=ceil_mode)
            channels = filters
        classifier: dict[str, nn.Module] = {"flatten": nn.Flatten()}
        inputs = channels * size[0] * size[1]
        for number, neurons in enumerate(hidden, 1):
            classifier[f"fc{number}"] = nn.Linear(inputs, neurons, **placement)
            classifier[f"{activation}{number}"] = activation_class()
            if dropout:
                classifier[f"dropout{number}"] = nn.Dropout(dropout)
            inputs = neurons
        classifier[f"fc{len(hidden) + 1}"] = nn.Linear(inputs, classes, **placement)
        self.features, self.classifier = nn.Sequential(features), nn.Sequential(classifier)

    def _size_after(self, size: tuple[int, int], layer: str, kernel_size: Any, stride: Any, padding: Any,
                    ceil_mode: bool = False) -> tuple[int, int]:
        """The image's size after a layer, or an error that names the layer and what would fit."""
        try:
            height, width = shapes.output_size(size, kernel_size, stride, padding, ceil_mode=ceil_mode)
            return height, width
        except ValueError:
            r, s = shapes.per_axis(kernel_size, "kernel_size")
            row_pads, column_pads = shapes.pads(padding, size, kernel_size, stride)
            if r <= size[0] + sum(row_pads) and s <= size[1] + sum(column_pads):
                raise  # another error than that of the size, and its message names it
            where = (f"{type(self).__name__}(input_shape={self.input_shape}): "
                     f"the image is {size[0]}x{size[1]} before {layer}, whose window is {r}x{s}")
            if layer.startswith("pool"):
                padding_hint = "" if self.config["padding"] == "same" else "padding='same', "
                raise ValueError(f"{where}; use fewer poolings (pool=[2, 0, ...], one entry a convolution), "
                                 f"{padding_hint}ceil_mode=True, or a larger image") from None
            fits = shapes.solve(size, size, kernel_size=kernel_size, stride=1, limit=1)
            raise ValueError(f"{where}; use padding='same'{f' (here {fits[0]})' if fits else ''}, "
                             f"kernel_size={min(size)} or less, fewer poolings, or a larger image") from None

    def forward(self, x: Tensor) -> Tensor:
        """Scores (N, classes) of images (N, C, H, W)."""
        if x.shape[1:] != self.input_shape:
            raise ValueError(f"{type(self).__name__}(input_shape={self.input_shape}) "
                             f"got an input of shape {x.shape}; it takes (N, "
                             f"{', '.join(map(str, self.input_shape))}){_hint(x.shape, self.input_shape)}")
        return self.classifier(self.features(x))

    def predict_proba(self, images: Any) -> Tensor:
        """Probability of each class, (N, classes): softmax of the scores, in evaluation mode, no tape."""
        return evaluation.predict_proba(self, images)

    def predict(self, images: Any) -> Tensor:
        """The most probable class of each image, (N,)."""
        return evaluation.predict(self, images)


@register
class CommonCNN(CNN):
    """The guide's "common CNN architecture": two convolutions with pooling, and 128 neurons.

    8 and 16 filters of 3x3, each with ReLU and 2x2 max pooling. Padding is "same", which the guide's sizes
    imply; 133,882 parameters at the default input.

    Parameters
    ----------
    input_shape : (C, H, W)
        Shape of one image.
    classes : int
        The number of scores.
    dtype, backend
        As in `CNN`.

    >>> from cnnkit import models
    >>> model = models.CommonCNN()
    >>> sum(p.numel() for p in model.parameters())
    133882
    >>> model.config
    {'input_shape': [3, 32, 32], 'classes': 10, 'dtype': 'float32'}
    """

    config: dict[str, Any]

    def __init__(self, input_shape: Sequence[int] = (3, 32, 32), classes: int = 10, *,
                 dtype: Any = "float32", backend: Any = None):
        super().__init__(input_shape, classes=classes, dtype=dtype, backend=backend)
        self.config = {name: self.config[name] for name in ("input_shape", "classes", "dtype")}


def _input_shape(model: str, shape: Any) -> tuple[int, int, int]:
    try:
        channels, height, width = (int(n) for n in shape)
    except (TypeError, ValueError):
        raise ValueError(f"{model} takes input_shape=(C, H, W), such as (1, 28, 28) or (3, 32, 32); "
                         f"got {shape!r}") from None
    if min(channels, height, width) < 1:
        raise ValueError(f"{model} takes images of at least one pixel and channel; "
                         f"got input_shape={(channels, height, width)}")
    return channels, height, width


def _convolutions(conv: Any, stride: Any) -> list[tuple[int, Any, Any]]:
    entries = []
    for entry in conv:
        if not isinstance(entry, Sequence) or isinstance(entry, str) or not 2 <= len(entry) <= 3:
            raise ValueError("conv takes one (filters, kernel_size) or (filters, kernel_size, stride) "
                             f"a convolution, such as conv=[(8, 3), (16, 3)]; got {entry!r}")
        filters, kernel_size, step = (*entry, stride)[:3]
        entries.append((_counts("filters", [filters])[0], shapes.per_axis(kernel_size, "kernel_size"),
                        shapes.per_axis(step, "stride")))
    return entries


def _counts(name: str, values: Any) -> list[int]:
    if not isinstance(values, Sequence) or any(not is_whole(n) or n < 1 for n in values):
        raise ValueError(f"{name} must be whole numbers, at least 1; got {values!r}")
    return [operator.index(n) for n in values]


def _pools(pool: Any, count: int) -> list[int]:
    windows = list(pool) if isinstance(pool, tuple | list) else [pool] * count
    windows = [0 if w is None else w for w in windows]
    if len(windows) != count or any(not is_whole(w) or w < 0 for w in windows):
        raise ValueError("pool takes one whole number, or a list with one for each of the "
                         f"{count} convolutions (0 for no pooling); got {pool!r}")
    return [operator.index(w) for w in windows]


def _choice(name: str, value: Any, choices: dict[str, Any]) -> Any:
    if value not in choices:
        raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}; got {value!r}")
    return choices[value]


def _plain(value: Any) -> Any:
    """Tuples as lists and every library's integers as Python's, as JSON gives them back."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return operator.index(value) if is_whole(value) else value


def _hint(shape: tuple[int, ...], expected: tuple[int, int, int]) -> str:
    if shape == expected:
        return "; a batch of this one image is x.unsqueeze(0)"
    if shape[1:] == (*expected[1:], expected[0]):
        return "; move the channels to the front with x.permute(0, 3, 1, 2)"
    if expected[0] == 1 and shape[1:] == expected[1:]:
        return "; grey images need an axis of channels: x.unsqueeze(1)"
    return ""
