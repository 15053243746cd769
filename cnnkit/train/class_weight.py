"""Class weights: a loss in which an image of a rare class counts for more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit import functional as F
from cnnkit.autograd import Tensor, tensor
from cnnkit.backends import backend_of
from cnnkit.evaluation.contracts import Loss
from cnnkit.evaluation.weighting import cross_entropy, weighted_mean

__all__ = ["WeightedCrossEntropy", "balanced"]

ClassWeight = str | Mapping[int, float] | Sequence[float]


class WeightedCrossEntropy:
    """Cross-entropy with a weight for each class: sum of weight times loss, over the sum of weights.

    Of targets that are probabilities each class's part is weighted by that class, and so is what a sample
    counts for in the mean (PyTorch divides by the number of samples then): probabilities of 0 and 1 give what
    class indices do.

    Parameters
    ----------
    weights : mapping of int to float, or sequence of float
        Weight of each class; those that a mapping leaves out have 1.

    >>> from cnnkit import tensor
    >>> loss = WeightedCrossEntropy({1: 3.0})
    >>> round(loss(tensor([[1.0, 0.0], [1.0, 0.0]]), tensor([0, 1])).item(), 4)
    1.0633
    """

    def __init__(self, weights: Mapping[int, float] | Sequence[float]):
        pairs = weights.items() if isinstance(weights, Mapping) else enumerate(weights)
        self.weights = {int(label): float(weight) for label, weight in pairs}
        for label, weight in self.weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"the weight of class {label} must be a finite number, "
                                 f"0 or more; got {weight}")
        self.exact = None if isinstance(weights, Mapping) else len(self.weights)
        self._tensor: Tensor | None = None

    def __call__(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean loss; with a weight (N,) for each sample too, both weights are multiplied."""
        classes = self._weight(output)
        if target.ndim == output.ndim:
            losses, own = (F.cross_entropy(output, target, weight=classes, reduction="none"),
                           (target * classes).sum(dim=1))
            total = (own if weight is None else own * weight).sum()
            return (losses if weight is None
                    else losses * weight).sum() / F.where(total == 0, total + 1, total)
        if weight is None and all(self.weights.values()):
            return F.cross_entropy(output, target, weight=classes)
        # here, because the mean of F.cross_entropy is NaN for a batch of classes of weight 0
        own = classes[target]
        return weighted_mean(F.cross_entropy(output, target, reduction="none"),
                             own if weight is None else own * weight)

    def held_out_loss(self) -> Loss:
        """Cross-entropy without class weights."""
        return cross_entropy

    def batch_weight(self, target: Tensor, weight: Tensor | None = None) -> float:
        """What a batch counts for: the sum of its images' weights."""
        if target.ndim == 2:
            sizes = (target * tensor(self._values(target.shape[1]), backend=target.backend,
                                     dtype=target.dtype)).sum(dim=1)
            return (sizes if weight is None else sizes * weight).sum().item()
        labels = backend_of(target.array).to_numpy(target.array).tolist()
        own = ([1.0] * len(labels) if weight is None
               else backend_of(weight.array).to_numpy(weight.array).tolist())
        return sum(self.weights.get(label, 1.0) * each for label, each in zip(labels, own))

    def _weight(self, output: Tensor) -> Tensor:
        classes = output.shape[1]
        if (self._tensor is None or self._tensor.backend != output.backend
                or self._tensor.dtype != output.dtype):
            if self.exact not in (None, classes) or max(self.weights, default=0) >= classes:
                raise ValueError(f"class_weight has {len(self.weights)} weights, "
                                 f"up to class {max(self.weights, default=0)}, but "
                                 f"the model has scores for {classes} classes")
            self._tensor = tensor(self._values(classes), backend=output.backend, dtype=output.dtype)
        return self._tensor

    def _values(self, classes: int) -> list[float]:
        return [self.weights.get(label, 1.0) for label in range(classes)]


def balanced(targets: Any) -> dict[int, float]:
    """Weights by which every class counts for as much: images / (classes * images of the class), as
    scikit-learn's.

    >>> balanced([0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    counts = Counter(int(label) for label in targets)
    return {label: counts.total() / (len(counts) * n) for label, n in sorted(counts.items())}
