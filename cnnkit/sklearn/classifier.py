"""CNNClassifier."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.evaluation.weighting import cross_entropy
from cnnkit.sklearn.estimator import CNNEstimator
from cnnkit.sklearn.place import beside_input, host

__all__ = ["CNNClassifier"]


class CNNClassifier(ClassifierMixin, CNNEstimator):
    """A convolutional network that classifies images, as a scikit-learn estimator.

    Images are (N, H, W), (N, C, H, W) or (N, H, W, C), or rows of pixels (N, F): an image (1, 1, F) each, or
    what `image_shape` says. Pixels may have any scale: each channel is standardised with the mean and
    standard deviation of the training images. Training data are taken as a set of weighted rows (see
    `cnnkit.sklearn.rows`), so a weight of 3 does what three equal rows do, and the order of the rows makes no
    difference, to the last bit.

    Parameters
    ----------
    architecture : "common", str, dict, or callable
        The guide's common CNN with twice its filters (16 and 32 of 3x3, each with ReLU and 2x2 max pooling,
        then 128 neurons; no dropout, no batch norm) for any image size; a dict of those arguments of
        `models.CNN` that shall differ; the name of a network of `models.list()`, such as ``"resnet18"``; or
        ``f((C, H, W), outputs)``, which makes any module that gives scores (N, outputs).
    weights : str or path, optional
        With an architecture by its name: what it begins with, a name of `models.weights` or a file. It gets a
        new head, and pixels are normalised as the weights want it, not by the training images.
    freeze : str, int, sequence of str or None
        With `weights`: what learns no more, as in `transfer_learning.freeze`; by default all but the head.
    input_size : int or (H, W), optional
        With an architecture by its name: images are resized to this inside the network.
    max_epochs : int
        How often `fit` goes through the data.
    lr : float
        Learning rate.
    batch_size : int
        The most distinct samples a step.
    optimizer : str or callable
        A name of `optim.by_name`, of which ``"sgd"`` has momentum 0.9; or a class of `cnnkit.optim`, which is
        called with the parameters and ``lr=lr``.
    image_shape : (H, W), (C, H, W), or (H, W, C) with ``data_format="NHWC"``, optional
        The shape of the image that a flat row holds.
    data_format : {"NCHW", "NHWC"}, optional
        Where the channels of four axes are; without it, the axis with 1, 3 or 4 entries, and an error where
        that leaves it open.
    early_stopping : bool
        Hold out a part of the data, stop when its loss no longer falls, and keep the best epoch's weights.
    validation_fraction : float
        How large that part is, in each class.
    n_iter_no_change, tol : int, float
        Stop after so many epochs that did not lower that loss by more than `tol`.
    class_weight : dict, "balanced" or None
        Label -> factor of the weights of its samples; "balanced" gives each class the same total.
    random_state : int, RandomState or None
        Where initial weights, order and dropout come from.
    warm_start : bool
        Let `fit` go on from the weights of the last call.
    backend : str, optional
        Where the network is made and trained ("torch:cuda"); by default where `cnnkit.use` says, or beside
        the arrays that are given, where scikit-learn's ``array_api_dispatch`` is on.
    verbose : bool or int
        Show the progress of training.
    callbacks : sequence of callable
        ``callback(estimator, row)`` after each epoch, `row` being the last of ``history_``; a true result
        ends training.

    Attributes
    ----------
    classes_ : array
        The labels.
    module_, optimizer_ : Module, Optimizer
        The network and what trains it.
    history_ : train.History
        Loss, accuracy and speed of each epoch.
    layout_ : Layout
        The shape (C, H, W) of an image, and how the user's arrays have it.
    pixels_ : Moments
        Mean and standard deviation of each channel.
    n_features_in_, feature_names_in_
        Pixels an image; names, if a data frame gave them.
    n_iter_ : int
        Epochs so far.

    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> clf = CNNClassifier(image_shape=(8, 8), max_epochs=10, random_state=0).fit(X[:1000], y[:1000])
    >>> clf.score(X[1000:], y[1000:]) > 0.9
    True
    """

    classes_: np.ndarray

    def __init__(self, architecture: Any = "common", *, weights: Any = None, freeze: Any = "backbone",
                 input_size: int | Sequence[int] | None = None, max_epochs: int = 20, lr: float = 1e-3,
                 batch_size: int = 32, optimizer: Any = "adam", image_shape: Sequence[int] | None = None,
                 data_format: str | None = None, early_stopping: bool = False,
                 validation_fraction: float = 0.1, n_iter_no_change: int = 5, tol: float = 1e-4,
                 class_weight: Any = None, random_state: Any = None, warm_start: bool = False,
                 backend: Any = None, verbose: int | bool = 0,
                 callbacks: Sequence[Callable[..., Any]] | None = None):
        super().__init__(architecture, weights=weights, freeze=freeze, input_size=input_size,
                         max_epochs=max_epochs, lr=lr, batch_size=batch_size,
                         optimizer=optimizer, image_shape=image_shape, data_format=data_format,
                         early_stopping=early_stopping, validation_fraction=validation_fraction,
                         n_iter_no_change=n_iter_no_change, tol=tol, random_state=random_state,
                         warm_start=warm_start, backend=backend, verbose=verbose, callbacks=callbacks)
        self.class_weight = class_weight

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these data, from the present weights.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. The layout of the images and their mean and standard deviation are the first call's.
        classes : array-like, optional
            All labels that there will be; the first call needs it.
        """
        new = not hasattr(self, "module_")
        if new and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if isinstance(self.class_weight, str):
            raise ValueError(f"class_weight={self.class_weight!r} needs all data at once, "
                             "which partial_fit does not have; compute the weights "
                             "(sklearn.utils.class_weight.compute_class_weight) and give them as a dict")
        labels = None if classes is None else np.unique(host(classes))
        if labels is not None and not new and not np.array_equal(labels, self.classes_):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, "
                             f"was: {self.classes_!r}")
        return self._train(X, y, sample_weight, new, 1, labels)

    def predict_proba(self, X: Any) -> Any:
        """Probability of each class, (N, classes), in the order of ``classes_``."""
        check_is_fitted(self)
        return beside_input(softmax(self._scores(X, "predict_proba"), axis=1), X)

    def predict(self, X: Any) -> Any:
        """The most probable class of each image, (N,)."""
        check_is_fitted(self)
        return beside_input(self.classes_[self._scores(X, "predict").argmax(axis=1)], X)

    def _learn_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        self.classes_ = np.unique(y) if classes is None else classes

    def _targets(self, y: np.ndarray) -> np.ndarray:
        check_classification_targets(y)
        codes = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        unknown = np.flatnonzero(self.classes_[codes] != y)
        if unknown.size:
            raise ValueError(f"y has a label {y[unknown[0]]!r} that is none of the classes "
                             f"{self.classes_.tolist()}")
        return codes.astype(np.int64)

    def _reweighted(self, weights: np.ndarray, targets: np.ndarray) -> np.ndarray:
        if self.class_weight is None:
            return weights
        if isinstance(self.class_weight, Mapping):
            labels = self.classes_.tolist()
            unknown = [label for label in self.class_weight if label not in labels]
            if unknown:
                raise ValueError(f"class_weight has a label {unknown[0]!r} that is none "
                                 f"of the classes {labels}")
            factors = np.array([self.class_weight.get(label, 1.0) for label in labels], np.float64)
            if not (np.isfinite(factors) & (factors > 0)).all():
                raise ValueError(f"class_weight must hold positive numbers; got {self.class_weight}")
        elif self.class_weight == "balanced":
            totals = np.bincount(targets, weights, len(self.classes_))
            factors = np.divide(totals.sum(), totals, out=np.ones_like(totals), where=totals > 0)
        else:
            raise ValueError(f"class_weight is a dict, 'balanced' or None; got {self.class_weight!r}")
        return weights * factors[targets]

    def _held_out(self, targets: np.ndarray, key: Any) -> np.ndarray:
        order = random.permutation(key, len(targets))
        mask = np.zeros(len(targets), bool)
        for label in range(len(self.classes_)):
            rows = order[targets[order] == label]
            mask[rows[:math.ceil(self.validation_fraction * len(rows))]] = len(rows) > 1
        return mask

    def _loss(self, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return cross_entropy(output, target, weight)

    def _target_facts(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist(), "dtype": self.classes_.dtype.str}

    def _take_target_facts(self, facts: Mapping[str, Any]) -> None:
        self.classes_ = np.asarray(facts["classes"], np.dtype(facts["dtype"]))

    @property
    def _outputs(self) -> int:
        return len(self.classes_)
