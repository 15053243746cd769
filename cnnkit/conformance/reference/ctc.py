"""Connectionist temporal classification by its definition: all paths, one by one."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

__all__ = ["ctc", "ctc_gradients"]

Array = np.ndarray


def _likelihoods(log_probs: Array, label: list[int], frames: int, blank: int) -> Array:
    """The summed probabilities of the paths that spell the label and go through each class of each frame."""
    through = np.zeros((frames + 1, log_probs.shape[1]))  # in the last row, column 0, those of all
    for path in itertools.product(range(log_probs.shape[1]), repeat=frames):
        spelt = [symbol for symbol, _ in itertools.groupby(path) if symbol != blank]
        if spelt != label:
            continue
        probability = math.exp(sum(log_probs[t, symbol] for t, symbol in enumerate(path)))
        through[-1, 0] += probability
        for t, symbol in enumerate(path):
            through[t, symbol] += probability
    return through


def _paths(log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, blank: int) -> list:
    return [_likelihoods(log_probs[:, n, :], targets[n, :target_lengths[n]].tolist(), int(input_lengths[n]),
                         blank) for n in range(log_probs.shape[1])]


def ctc(log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, *, blank: int,
        zero_infinity: bool) -> Array:
    """-log of the sum over all paths of their probabilities."""
    losses = []
    for through in _paths(log_probs, targets, input_lengths, target_lengths, blank):
        total = through[-1, 0]
        losses.append(-math.log(total) if total else 0.0 if zero_infinity else math.inf)
    return np.array(losses)


def ctc_gradients(dy: Array, log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array, *,
                  blank: int, zero_infinity: bool) -> tuple[Any, ...]:
    """A class's probability less its share in the paths, as of what a log-softmax comes from."""
    dx = np.zeros(log_probs.shape)
    for n, through in enumerate(_paths(log_probs, targets, input_lengths, target_lengths, blank)):
        total, frames = through[-1, 0], int(input_lengths[n])
        if total:
            dx[:frames, n] = dy[n] * (np.exp(log_probs[:frames, n]) - through[:-1] / total)
        elif not zero_infinity:
            dx[:frames, n] = math.nan
    return dx, None, None, None
