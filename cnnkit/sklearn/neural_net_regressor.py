"""Any module as a regressor of scikit-learn's, in skorch's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from cnnkit import nn, optim
from cnnkit.autograd import Tensor
from cnnkit.sklearn.neural_net import NeuralNet
from cnnkit.sklearn.samples import host

__all__ = ["NeuralNetRegressor"]


class NeuralNetRegressor(RegressorMixin, NeuralNet):
    """A module that predicts numbers, as an estimator in the form of ``skorch.NeuralNetRegressor``.

    Parameters are those of `NeuralNet`. Targets are (N,) or (N, outputs), and take the shape of the module's
    output, so that (N,) goes with a module that gives (N, 1).

    >>> import numpy
    >>> from cnnkit import nn
    >>> X = numpy.random.default_rng(0).normal(size=(256, 4))
    >>> net = NeuralNetRegressor(nn.Linear, module__in_features=4, module__out_features=1, lr=0.1, verbose=0,
    ...                          random_state=0)
    >>> net.fit(X, X.sum(1)).score(X, X.sum(1)) > 0.9
    True
    """

    _flat = False  # whether the training targets were (N,)

    def __init__(self, module: Any, criterion: Any = nn.MSELoss, optimizer: Any = optim.SGD, lr: float = 0.01,
                 max_epochs: int = 10, batch_size: int = 128, train_split: float | None = None,
                 callbacks: Sequence[Callable[..., Any]] | None = None, warm_start: bool = False,
                 verbose: int = 1,
                 random_state: Any = None, backend: Any = None, **settings: Any):
        super().__init__(module, criterion, optimizer, lr, max_epochs, batch_size, train_split, callbacks,
                         warm_start, verbose, random_state, backend, **settings)

    def _learn_targets(self, y: Any, classes: Any) -> np.ndarray:
        y = host(y).astype(np.float32)
        self._flat = y.ndim == 1
        return y

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self.criterion_(output,
                               target.reshape(output.shape) if target.numel() == output.numel() else target)

    def predict(self, X: Any) -> np.ndarray:
        """The module's output for each input, (N,) or (N, outputs) as `fit` got the targets."""
        values = self.forward(X)
        return values[:, 0] if self._flat and values.shape[1:] == (1,) else values
