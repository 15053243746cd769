"""Ready-made networks in an estimator: by name, with weights of others, and pixels as those want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnkit import models, nn
from cnnkit.data.input_format import BRIGHT
from cnnkit.models import registry
from cnnkit.models.weights import Weights, find
from cnnkit.sklearn.rows import Moments
from cnnkit.transfer_learning.freezing import What
from cnnkit.transfer_learning.transfer import load_all_but_head, transfer

__all__ = ["ready_made", "wanted"]

IMAGENET_MEAN: tuple[float, ...] = (0.485, 0.456, 0.406)
IMAGENET_STD: tuple[float, ...] = (0.229, 0.224, 0.225)


def ready_made(name: str, shape: tuple[int, int, int], outputs: int, weights: Any, freeze: What | None,
               input_size: int | Sequence[int] | None, load: bool) -> nn.Module:
    """A network of `models.list()` for images (C, H, W) and a number of outputs.

    Parameters
    ----------
    weights : str, path or None
        What it begins with; the head is new.
    freeze
        What learns no more, where there are weights.
    input_size : int or (H, W), optional
        What images are resized to first.
    load : bool
        Whether the weights are read; the network of a saved estimator gets its own.
    """
    taken = registry.arguments_of(models.get(name))
    given = {"num_classes": outputs, "classes": outputs, "in_channels": shape[0], "input_shape": shape}
    network = models.build(name, {key: value for key, value in given.items() if key in taken})
    if weights is not None:
        if shape[0] != 3:
            raise ValueError(f"weights={weights!r} are for images of 3 channels (RGB), and these have "
                             f"{shape[0]}; repeat the channel, as in numpy.repeat(X[..., None], 3, axis=-1)")
        if load:
            load_all_but_head(network, weights)
        transfer(network, outputs, freeze)
        network.input_format = None  # the estimator normalises, and learns the format anew
    if input_size is None:
        return network
    size = (input_size, input_size) if isinstance(input_size, int) else tuple(input_size)
    return nn.Sequential(nn.Upsample(size=size, mode="bilinear"), network)


def wanted(weights: Any, images: np.ndarray) -> Moments:
    """What pixels are normalised with for others' weights, in the images' own scale: 0..1, 0..255, 0..65535.

    Of a file that no entry knows, ImageNet's mean and deviation, which most weights are for.
    """
    entry = find(weights)
    mean, std = IMAGENET_MEAN, IMAGENET_STD
    if isinstance(entry, Weights):
        if entry.preprocessing.channel_order != "RGB":
            raise ValueError(f"weights={entry.name!r} want the channels in the order "
                             f"{entry.preprocessing.channel_order}, and images are RGB; give those of RGB")
        mean, std = entry.preprocessing.of_unit()
    brightest = float(images.max())
    white = 1 if brightest <= BRIGHT else 255 if brightest <= 255 else 65535
    return Moments(tuple(m * white for m in mean), tuple(s * white for s in std))
