"""Class weights: a loss in which an image of a rare class counts for more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit import functional as F
from cnnkit.autograd import Tensor, tensor
from cnnkit.backends import backend_of, dtype_name, namespace_of
from cnnkit.evaluation.contracts import Loss
from cnnkit.evaluation.counting import label_sum
from cnnkit.evaluation.weighting import IGNORED, cross_entropy, per_label, weighted_mean
from cnnkit.foreign import is_array, is_whole

__all__ = ["WeightedCrossEntropy", "balanced"]

ClassWeight = str | Mapping[int, float] | Sequence[float]


class WeightedCrossEntropy:
    """Cross-entropy with a weight for each class: sum of weight times loss, over the sum of weights.

    Where targets are probabilities, each class's part has that class's weight, both in the loss and in the
    sum of weights (PyTorch then divides by the number of samples), so that probabilities of 0 and 1 give the
    same as class indices.

    Parameters
    ----------
    weights : mapping of int to float, or sequence of float
        Weight of each class; classes that a mapping leaves out have weight 1.

    >>> from cnnkit import tensor
    >>> loss = WeightedCrossEntropy({1: 3.0})
    >>> round(loss(tensor([[1.0, 0.0], [1.0, 0.0]]), tensor([0, 1])).item(), 4)
    1.0633
    """

    def __init__(self, weights: Mapping[int, float] | Sequence[float]):
        pairs = weights.items() if isinstance(weights, Mapping) else enumerate(weights)
        self.weights: dict[int, float] = {int(label): float(weight) for label, weight in pairs}
        for label, weight in self.weights.items():
            if not 0 <= weight < float("inf"):
                raise ValueError(f"the weight of class {label} must be a finite number, "
                                 f"0 or more; got {weight}")
        self.class_count: int | None = None if isinstance(weights, Mapping) else len(self.weights)
        self._tensor: Tensor | None = None

    def __call__(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The mean loss; with a weight (N,) for each sample too, both weights are multiplied."""
        classes = self._weight(output)
        if target.ndim == output.ndim:
            losses = F.cross_entropy(output, target, weight=classes, reduction="none")
            weights = (target * classes).sum(dim=1)
            if weight is not None:
                losses, weights = losses * weight, weights * weight
            total = weights.sum()
            return losses.sum() / F.where(total == 0, total + 1, total)
        if weight is None and all(self.weights.values()):
            return F.cross_entropy(output, target, weight=classes)
        # not by F.cross_entropy, whose mean is NaN for a batch of classes of weight 0
        ignored = target == IGNORED
        weights = F.where(ignored, 0.0, classes[F.where(ignored, 0, target)])
        return weighted_mean(F.cross_entropy(output, target, reduction="none"),
                             weights if weight is None else weights * per_label(weight, target.ndim))

    def held_out_loss(self) -> Loss:
        """Cross-entropy without class weights."""
        return cross_entropy

    def batch_weight(self, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """The weight of a batch: the sum of its labels' weights."""
        if "float" in dtype_name(target.dtype):
            classes = tensor(self._values(target.shape[1]), backend=target.backend, dtype=target.dtype)
            weights = (target * classes.reshape(-1, *(1,) * (target.ndim - 2))).sum(dim=1)
            return (weights if weight is None else weights * weight).sum()
        # classes without a weight of their own, whose number is not known here, share the last entry
        dtype = "float64" if "float64" in backend_of(target.array).dtypes else "float32"
        table = tensor([*self._values(max(self.weights, default=-1) + 1), 1.0], backend=target.backend,
                       dtype=dtype)
        labels, xp = target.array, namespace_of(target.array)
        counted = labels != IGNORED
        return Tensor(xp.asarray(label_sum(counted, weight, xp.clip(labels, 0, table.shape[0] - 1),
                                           table.array)))

    def _weight(self, output: Tensor) -> Tensor:
        classes = output.shape[1]
        if (self._tensor is None or self._tensor.backend != output.backend
                or self._tensor.dtype != output.dtype):
            if self.class_count not in (None, classes) or max(self.weights, default=0) >= classes:
                raise ValueError(f"class_weight has {len(self.weights)} weights, "
                                 f"up to class {max(self.weights, default=0)}, but "
                                 f"the model has scores for {classes} classes")
            self._tensor = tensor(self._values(classes), backend=output.backend, dtype=output.dtype)
        return self._tensor

    def _values(self, classes: int) -> list[float]:
        return [self.weights.get(label, 1.0) for label in range(classes)]


def balanced(targets: Any) -> dict[int, float]:
    """Weights that make all classes equally important, as in scikit-learn: images / (classes * images of it).

    Labels of -100 count for nothing.

    Raises
    ------
    TypeError
        If the targets are no class labels (N,).

    >>> balanced([0, 0, 0, 1])
    {0: 0.6666666666666666, 1: 2.0}
    """
    labels = list(targets)
    for label in labels:
        if not is_whole(label) or (is_array(label) and label.shape):
            raise TypeError("class_weight='balanced' counts class labels, integers (N,), and these targets "
                            f"hold {label!r}; leave it out, or give a weight for each class")
    counts = Counter(int(label) for label in labels if label != IGNORED)
    return {label: counts.total() / (len(counts) * n) for label, n in sorted(counts.items())}
