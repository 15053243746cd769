"""Short training runs to compare: a CNN, the same on permuted pixels, an MLP of its size, a linear model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from cnnkit import models, nn, random, tensor, train
from cnnkit.advise.pictures import permuted, shifted
from cnnkit.data import ArrayDataset

__all__ = ["Trials", "run"]

BATCH, LR = 32, 2e-3


@dataclass
class Trials:
    """Accuracies on held-out images, averaged over the seeds, and other measurements of the runs.

    Attributes
    ----------
    accuracy : dict of str to float
        ``"cnn"``, ``"cnn permuted"``, ``"cnn half"`` (learnt from half of the images), ``"mlp"``,
        ``"linear"``, and ``"cnn shifted"``, ``"mlp shifted"`` on held-out images that were moved.
    right : dict of str to ndarray
        For each held-out image the share of the seeds whose network had it right: `accuracy` is the mean.
    spread : float
        The CNN's highest accuracy over the seeds minus its lowest.
    training : float
        The CNN's accuracy on the images that it learnt from.
    images_per_second : dict of str to float
        Speed of training, for ``"cnn"`` and ``"mlp"``.
    parameters : dict of str to int
    shift : int
        By how many pixels images were moved.
    """

    accuracy: dict[str, float] = field(default_factory=dict)
    right: dict[str, np.ndarray] = field(default_factory=dict)
    spread: float = 0.0
    training: float = 0.0
    images_per_second: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    shift: int = 0


def run(learn: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray], classes: int,
        updates: int, seeds: tuple[int, ...]) -> Trials:
    """Train every network for `updates` steps with each seed; images are float32 (N, C, H, W), normalised."""
    (x, y), (x2, y2) = learn, held_out
    shape = x.shape[1:]
    order = random.permutation(random.fold_in(random.key(0), 7), shape[1] * shape[2])
    half = np.arange(len(x)) % 2 == 0
    size = sum(p.numel() for p in _cnn(shape, classes).parameters())
    kinds: dict[str, tuple] = {
        "cnn": (_cnn, x, y, x2), "cnn permuted": (_cnn, permuted(x, order), y, permuted(x2, order)),
        "cnn half": (_cnn, x[half], y[half], x2), "mlp": (lambda s, k: _mlp(s, k, size), x, y, x2),
        "linear": (_linear, x, y, x2)}
    scores: dict[str, list[np.ndarray]] = {}
    trials = Trials(shift=max(1, round(min(n for n in shape[1:] if n > 1) / 14)) if max(shape[1:]) > 1 else 0)
    moves = [(down, right) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1))
             if shape[1 if down else 2] > 1]
    for name, (make, images, labels, test) in kinds.items():
        for seed in seeds:
            random.seed(seed)
            model = make(shape, classes)
            epochs = max(1, round(updates * BATCH / len(images)))
            start = time.perf_counter()
            dataset = ArrayDataset(images, labels, classes, data_format="NCHW")
            train.fit(model, dataset, epochs=epochs, batch_size=BATCH, lr=LR, seed=seed, progress=False)
            seconds = time.perf_counter() - start
            scores.setdefault(name, []).append(_correct(model, test, y2))
            trials.parameters[name] = sum(p.numel() for p in model.parameters())
            if name in ("cnn", "mlp"):
                trials.images_per_second[name] = epochs * len(images) / seconds
                shifted_scores = [_correct(model, shifted(test, d * trials.shift, r * trials.shift), y2)
                                  for d, r in moves]
                mean = np.mean(shifted_scores, axis=0) if shifted_scores else scores[name][-1]
                scores.setdefault(f"{name} shifted", []).append(mean)
            if name == "cnn":
                trials.training += float(_correct(model, images, labels).mean()) / len(seeds)
    trials.right = {name: np.mean(values, axis=0) for name, values in scores.items()}
    trials.accuracy = {name: float(values.mean()) for name, values in trials.right.items()}
    trials.spread = float(np.ptp([values.mean() for values in scores["cnn"]]))
    return trials


def _cnn(shape: tuple[int, ...], classes: int) -> nn.Module:
    return models.CNN(shape, classes=classes, ceil_mode=True)


def _mlp(shape: tuple[int, ...], classes: int, parameters: int) -> nn.Module:
    """A network with one hidden layer and about `parameters` parameters."""
    inputs = int(np.prod(shape))
    hidden = max(1, round((parameters - classes) / (inputs + 1 + classes)))
    return nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes))


def _linear(shape: tuple[int, ...], classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), classes))


def _correct(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return (train.predict(model, tensor(images)).numpy() == labels).astype(float)
