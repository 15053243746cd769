"""Any module as a classifier of scikit-learn's, in skorch's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from cnnkit import functional as F
from cnnkit import nn, optim
from cnnkit.autograd import Tensor
from cnnkit.data import description
from cnnkit.sklearn.neural_net import NeuralNet
from cnnkit.sklearn.samples import host

__all__ = ["NeuralNetClassifier"]


class NeuralNetClassifier(ClassifierMixin, NeuralNet):
    """A module that classifies, as an estimator in the form of ``skorch.NeuralNetClassifier``.

    Parameters are those of `NeuralNet`. Integer labels are the numbers of the module's outputs, as in skorch;
    other labels (text) are numbered in sorted order. With `nn.CrossEntropyLoss` the module gives scores, and
    `predict_proba` applies softmax; with `nn.NLLLoss`, the default, it gives probabilities, whose logarithm
    the criterion gets, as in skorch.

    Attributes
    ----------
    classes_ : array
        The labels.

    >>> from cnnkit import nn, optim
    >>> from cnnkit.data import DataLoader, datasets
    >>> net = NeuralNetClassifier(nn.Linear, module__in_features=64, module__out_features=10,
    ...                           criterion=nn.CrossEntropyLoss, optimizer=optim.Adam, max_epochs=5,
    ...                           verbose=0, random_state=0)
    >>> digits = datasets.digits()
    >>> X = digits.data.reshape(-1, 64)
    >>> net.fit(X[:1000], digits.targets[:1000]).score(X[1000:], digits.targets[1000:]) > 0.7
    True
    """

    classes_: np.ndarray

    def __init__(self, module: Any, criterion: Any = nn.NLLLoss, optimizer: Any = optim.SGD, lr: float = 0.01,
                 max_epochs: int = 10, batch_size: int = 128, train_split: float | None = None,
                 callbacks: Sequence[Callable[..., Any]] | None = None, warm_start: bool = False,
                 verbose: int = 1,
                 random_state: Any = None, backend: Any = None, **settings: Any):
        super().__init__(module, criterion, optimizer, lr, max_epochs, batch_size, train_split, callbacks,
                         warm_start, verbose, random_state, backend, **settings)

    def _learn_targets(self, y: Any, classes: Any) -> np.ndarray:
        y = host(y)
        if y.ndim != 1:
            raise ValueError(f"y must have shape (N,), one label a sample; got {y.shape}")
        if classes is not None or not hasattr(self, "classes_") or not len(self.history_):
            self.classes_ = np.unique(host(y if classes is None else classes))
        if np.issubdtype(y.dtype, np.integer) or y.dtype == bool:
            return y.astype(np.int64)
        codes = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        for label in y[self.classes_[codes] != y][:1]:
            raise ValueError(f"y has a label {label!r} that is none of the classes {self.classes_.tolist()}")
        return codes.astype(np.int64)

    def _learn_names(self, dataset: Any) -> None:
        names = description.class_names(dataset)
        if not hasattr(self, "classes_") and names is not None:
            self.classes_ = np.arange(len(names))

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        self._check_outputs(output)
        if isinstance(self.criterion_, nn.NLLLoss):
            output = (output + float(np.finfo(np.float32).eps)).log()
        return self.criterion_(output, target)

    def _check_outputs(self, output: Tensor) -> None:
        """Raise ValueError if an integer label is the number of none of the module's outputs."""
        classes: np.ndarray | None = getattr(self, "classes_", None)
        if classes is None or classes.dtype.kind not in "iu" or output.ndim < 2:
            return
        if not isinstance(self.criterion_, nn.NLLLoss | nn.CrossEntropyLoss):
            return
        counted = classes[classes != self.criterion_.ignore_index]
        if counted.size and not 0 <= counted.min() <= counted.max() < output.shape[1]:
            raise ValueError(f"y has labels from {counted.min()} to {counted.max()}, and the module gives "
                             f"{output.shape[1]} outputs, whose numbers integer labels are: number the "
                             "classes from 0, as numpy.unique(y, return_inverse=True) does")

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class, (N, classes)."""
        outputs = self.forward(X)
        if isinstance(self.criterion_, nn.CrossEntropyLoss) or self.criterion_ is F.cross_entropy:
            return F.softmax(Tensor(outputs), dim=1).numpy()
        return outputs

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample, (N,)."""
        indices = self.forward(X).argmax(axis=1)
        classes = getattr(self, "classes_", None)
        return indices if classes is None or np.issubdtype(classes.dtype, np.integer) else classes[indices]
