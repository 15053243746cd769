"""The sanity check of attributions: a map that says something of the network changes with its weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from cnnkit import nn, random
from cnnkit.attribution.scores import question_for
from cnnkit.autograd import Tensor
from cnnkit.backends import dtype_name
from cnnkit.foreign import whole

__all__ = ["Randomised", "sanity_check"]


class Randomised(NamedTuple):
    """How similar the maps still are when this layer and all behind it have random weights.

    `similarity` is Spearman's rank correlation, the mean over the images: 1 for the same order of pixels,
    about 0 for an unrelated one, and 0 where a map has one value everywhere.
    """

    layer: str
    similarity: float


def sanity_check(method: Callable[[nn.Module, Tensor, Tensor], Tensor], model: nn.Module, images: Any,
                 target: Any = None, *, seed: int = 0, most: int | None = None) -> list[Randomised]:
    """Compare maps with those of a copy of the model whose weights become random, from its end on.

    A method whose maps stay similar, as an edge detector's would, shows the image, and not what the network
    has learnt (Adebayo et al. 2018, cascading randomisation).

    Parameters
    ----------
    method : callable
        ``method(model, images, target)``, such as `saliency`.
    model, images, target
        As in `saliency`; the model itself stays as it is.
    seed : int
        Of the random weights: normal, with the mean and the deviation of those that they replace.
    most : int, optional
        Compare only so often, evenly spread over the layers, the first and the last among them.

    Returns
    -------
    list of Randomised
        One for each layer that has parameters, or for `most` of them, the last layer first.

    >>> import cnnkit
    >>> from cnnkit import attribution, models
    >>> rows = sanity_check(attribution.saliency, models.CommonCNN((1, 8, 8)), cnnkit.rand(2, 1, 8, 8))
    >>> [row.layer for row in rows]
    ['classifier.fc2', 'classifier.fc1', 'features.conv2', 'features.conv1']
    """
    question = question_for(model, images, target)
    expected = _ranks(method(model, question.images, question.target))
    other = copy.deepcopy(model)
    layers = [(name, module) for name, module in other.named_modules()
              if any(True for _ in module.parameters(recurse=False))]
    keys = iter(random.split(random.key(seed), sum(1 for _ in other.parameters())))
    count = len(layers) if most is None else min(whole("most", most), len(layers))
    compared = {round(n * (len(layers) - 1) / max(count - 1, 1)) for n in range(count)} if layers else set()
    rows = []
    for position, (name, module) in enumerate(reversed(layers)):
        for parameter in module.parameters(recurse=False):
            values = parameter.detach()
            mean, deviation = values.mean().item(), values.std(correction=0).item()
            parameter.rebind(random.normal(next(keys), tuple(values.shape), mean, deviation,
                                           dtype_name(values.dtype), like=values.array))
        if position not in compared:
            continue
        found = _ranks(method(other, question.images, question.target))
        rows.append(Randomised(name, float(np.mean([_correlation(a, b) for a, b in zip(expected, found)]))))
    return rows


def _ranks(maps: Tensor) -> np.ndarray:
    """The rank of each value in its image, (N, ...); equal values share the mean of their ranks."""
    rows = maps.detach().numpy().reshape(maps.shape[0], -1)
    ranks = np.empty(rows.shape)
    for row, values in zip(ranks, rows):
        _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        row[:] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 where all of one are equal, so that no order is there to compare."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else 0.0
