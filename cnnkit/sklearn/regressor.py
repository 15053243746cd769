"""CNNRegressor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from cnnkit.autograd import Tensor
from cnnkit.evaluation.weighting import weighted_mean
from cnnkit.functional import mse_loss
from cnnkit.sklearn.estimator import CNNEstimator
from cnnkit.sklearn.place import beside_input
from cnnkit.sklearn.rows import Moments, moments

__all__ = ["CNNRegressor"]


class CNNRegressor(RegressorMixin, CNNEstimator):
    """A convolutional network that predicts one or several numbers for an image, as a scikit-learn estimator.

    Parameters and attributes are those of `CNNClassifier`, without what concerns classes. The loss is the
    mean squared error; targets, (N,) or (N, outputs), may have any scale: like pixels they are standardised
    with the training data's mean and standard deviation, and predictions are scaled back.

    Attributes
    ----------
    targets_ : Moments
        Mean and standard deviation of each target.

    >>> import numpy
    >>> from sklearn.datasets import load_digits
    >>> images = load_digits().images
    >>> ink = images.mean(axis=(1, 2))
    >>> CNNRegressor(max_epochs=5, random_state=0).fit(images[:1000], ink[:1000]).score(images[1000:], ink[1000:]) > 0.9
    True
    """

    targets_: Moments
    _targets_of = {"multi_output": True, "y_numeric": True}

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these data, from the weights that are there.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. The layout of the images, and mean and standard deviation of pixels and targets, are
            the first call's.
        """
        return self._train(X, y, sample_weight, not hasattr(self, "module_"), 1)

    def predict(self, X: Any) -> Any:
        """The numbers of each image, (N,) or (N, outputs) as `fit` got them."""
        check_is_fitted(self)
        values = self._scores(X, "predict") * np.asarray(self.targets_.scale) + np.asarray(self.targets_.mean)
        return beside_input(values[:, 0] if self._flat else values, X)

    def _learn_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        self._flat = y.ndim == 1

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return np.asarray(y, np.float64).reshape(len(y), -1)

    def _standardised(self, targets: np.ndarray, weights: np.ndarray, new: bool) -> np.ndarray:
        if new:
            self.targets_ = moments(targets, weights)
        elif targets.shape[1] != self._outputs:
            raise ValueError(f"y has {targets.shape[1]} outputs; "
                             f"this estimator was fitted with {self._outputs}")
        return self.targets_.standardised(targets, "float64")

    def _loss(self, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return weighted_mean(mse_loss(output, target, reduction="none").mean(1), weight)

    def _target_facts(self) -> dict[str, Any]:
        return {"targets": asdict(self.targets_), "flat": self._flat}

    def _take_target_facts(self, facts: Mapping[str, Any]) -> None:
        self.targets_ = Moments(**{name: tuple(values) for name, values in facts["targets"].items()})
        self._flat = bool(facts["flat"])

    @property
    def _outputs(self) -> int:
        return len(self.targets_.mean)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
