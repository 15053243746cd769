"""What `CNNClassifier` and `CNNRegressor` share: parameters, making batches, training, prediction."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, validate_data

from cnnkit import models, random
from cnnkit.autograd import Tensor
from cnnkit.backends import dtype_name
from cnnkit.data import InputFormat
from cnnkit.evaluation.evaluate import evaluating
from cnnkit.foreign import has_shape, whole
from cnnkit.nn import Module
from cnnkit.optim.by_name import BY_NAME
from cnnkit.sklearn.epochs import Patience, run
from cnnkit.sklearn.layout import Layout
from cnnkit.sklearn.place import Home, beside, host, use_for
from cnnkit.sklearn.pretrained import ready_made, wanted
from cnnkit.sklearn.rows import Batches, Moments, distinct, moments
from cnnkit.sklearn.saving import read, write
from cnnkit.sklearn.warm import set_settings
from cnnkit.train import History

__all__ = ["CNNEstimator"]

# the guide's common CNN with twice its filters, for images of any size
COMMON = {"conv": ((16, 3), (32, 3)), "ceil_mode": True}
NO_TARGETS = object()
PREVIEW = 256  # images whose range is compared with that of training
AT_ONCE = 32  # images that are predicted in one go
_INIT, _ORDER, _SPLIT, _DRAWS = range(4)  # streams of the seed's key


class CNNEstimator(BaseEstimator):
    """Base of the estimators; `CNNClassifier` documents the parameters."""

    module_: Module
    history_: History
    layout_: Layout
    pixels_: Moments

    def __init__(self, architecture: Any = "common", *, weights: Any = None, freeze: Any = "backbone",
                 input_size: int | Sequence[int] | None = None,
                 max_epochs: int = 20, lr: float = 1e-3, batch_size: int = 32, optimizer: Any = "adam",
                 image_shape: Sequence[int] | None = None, data_format: str | None = None,
                 early_stopping: bool = False, validation_fraction: float = 0.1, n_iter_no_change: int = 5,
                 tol: float = 1e-4, random_state: Any = None, warm_start: bool = False, backend: Any = None,
                 verbose: int | bool = 0, callbacks: Sequence[Callable[..., Any]] | None = None):
        self.architecture = architecture
        self.weights = weights
        self.freeze = freeze
        self.input_size = input_size
        self.max_epochs = max_epochs
        self.lr = lr
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.image_shape = image_shape
        self.data_format = data_format
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.warm_start = warm_start
        self.backend = backend
        self.verbose = verbose
        self.callbacks = callbacks

    # -- what a subclass defines -----------------------------------------------------------------------------

    _targets_of: dict[str, Any] = {}  # arguments of `validate_data` that concern y

    def _learn_targets(self, y: np.ndarray, classes: np.ndarray | None) -> None:
        """Set the fitted attributes that describe y, from the rows of positive weight, or from `classes`."""
        raise NotImplementedError

    def _targets(self, y: np.ndarray) -> np.ndarray:
        """y as the network's targets, or an error where y does not fit what was learnt of it."""
        raise NotImplementedError

    def _standardised(self, targets: np.ndarray, weights: np.ndarray, new: bool) -> np.ndarray:
        """The targets as the loss takes them; where `new`, their mean and deviation are learnt first."""
        return targets

    def _reweighted(self, weights: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The weights of the distinct rows as the loss uses them."""
        return weights

    def _held_out(self, targets: np.ndarray, key: Any) -> np.ndarray:
        """A mask of the rows that early stopping holds out."""
        mask = np.zeros(len(targets), bool)
        order = random.permutation(key, len(targets))
        mask[order[:math.ceil(self.validation_fraction * len(targets))]] = True
        return mask

    def _loss(self, output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def _outputs(self) -> int:
        """How many numbers the network gives for an image."""
        raise NotImplementedError

    # -- scikit-learn's methods ------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train from new weights, or, with ``warm_start``, from those of the last call.

        Parameters
        ----------
        X : array-like or data frame, (N, F); or array-like, (N, H, W), (N, C, H, W) or (N, H, W, C)
            Images, or rows of their pixels.
        y : array-like, (N,)
            Targets.
        sample_weight : array-like, (N,), optional
            How often each row counts: weight 0 leaves it out, weight 3 is the same as three such rows,
            to the last bit.
        """
        new = not (self.warm_start and hasattr(self, "module_")) or self._network != self._made_network
        return self._train(X, y, sample_weight, new, self.max_epochs)

    def _train(self, X: Any, y: Any, sample_weight: Any, new: bool, epochs: int,
               classes: np.ndarray | None = None) -> Self:
        self._check_parameters()
        if not new and self._network != self._made_network:
            raise ValueError("architecture, weights, freeze, input_size, image_shape or data_format has "
                             "changed, and partial_fit goes on with the present network; fit makes a new one")
        home = Home.of(X)
        rows, y = self._validated(X, y, new)
        weights = _weights(host(sample_weight), len(rows))
        positive = weights > 0
        if not positive.all():
            rows, y, weights = rows[positive], y[positive], weights[positive]
        if new:
            self._learn_targets(y, classes)
        targets = self._targets(y)
        first, weights = distinct(rows, targets, weights)
        images, targets = self.layout_.images(rows[first]), self._standardised(targets[first], weights, new)
        if new:
            self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
            self.pixels_ = moments(images, weights) if self.weights is None else wanted(self.weights, images)
            self._start(home)
        self._run(images, targets, self._reweighted(weights, targets), epochs)
        return self

    @property
    def _network(self) -> tuple:
        """The parameters that a network is made from."""
        image_shape = None if self.image_shape is None else tuple(self.image_shape)
        return self.architecture, self.weights, self.freeze, self.input_size, image_shape, self.data_format

    def _start(self, home: Home | None, load: bool = True) -> None:
        """A new network and its optimizer; weights of others are loaded unless `load` is false."""
        self._home, self._made_network = str(home), self._network
        with random.seeded(self._stream_seed(_INIT)), use_for(self.backend, home):
            self.module_ = self._build(self.layout_.shape, self._outputs, load)
        self._make_optimizer()
        self.history_ = History()

    def _make_optimizer(self) -> None:
        make = BY_NAME[self.optimizer] if isinstance(self.optimizer, str) else self.optimizer
        self.optimizer_ = make(list(self.module_.parameters()), lr=self.lr)
        self._made_optimizer = self.optimizer

    def _build(self, shape: tuple[int, int, int], outputs: int, load: bool) -> Module:
        if isinstance(self.architecture, str) and self.architecture != "common":
            return ready_made(self.architecture, shape, outputs, self.weights, self.freeze, self.input_size,
                              load)
        if callable(self.architecture):
            model = self.architecture(shape, outputs)
            with evaluating(model):
                output_shape = model(beside(model)(np.zeros((2, *shape), self._dtype))).shape
            if output_shape != (2, outputs):
                raise ValueError(f"architecture made a module that gives {output_shape} for 2 images "
                                 f"{shape}; it must give {(2, outputs)}")
            return model
        settings = {} if isinstance(self.architecture, str) else dict(self.architecture)
        return models.CNN(shape, **{**COMMON, **settings, "classes": outputs})

    def _run(self, images: np.ndarray, targets: np.ndarray, weights: np.ndarray, epochs: int) -> None:
        key, before = random.key(self._seed), len(self.history_)
        if self.optimizer != self._made_optimizer:
            self._make_optimizer()
        set_settings(self.optimizer_, {"lr": self.lr})
        place = beside(self.module_)

        def batches(mask: np.ndarray, size: int, order: Any = None) -> Batches:
            return Batches(images[mask], targets[mask], weights[mask], self.pixels_, size, place, order,
                           self._dtype)

        after: list[Callable] = [partial(callback, self) for callback in self.callbacks or ()]
        validation = patience = None
        training_rows = np.ones(len(images), bool)
        if self.early_stopping:
            held_out = self._held_out(targets, random.fold_in(key, _SPLIT))
            if held_out.all() or not held_out.any():
                raise ValueError("early_stopping=True holds out "
                                 f"validation_fraction={self.validation_fraction} of {len(images)} "
                                 "distinct samples, which leaves none to train on or none to validate; "
                                 "give more samples, or early_stopping=False")
            training_rows = ~held_out
            validation = batches(held_out, AT_ONCE)
            patience = Patience(self.module_, self.n_iter_no_change, self.tol)
            after.insert(0, patience)
        loader = batches(training_rows, self.batch_size, random.fold_in(key, _ORDER))
        loader.epoch = before
        with random.seeded(self._stream_seed(_DRAWS + before)):
            run(self.module_, loader, self.history_, epochs, optimizer=self.optimizer_, loss=self._loss,
                validation=validation, verbose=self.verbose, after=after)
        if patience is not None:
            patience.restore()
        self.optimizer_.zero_grad()
        self.n_iter_ = len(self.history_)

    def _stream_seed(self, stream: int) -> int:
        low, high = random.fold_in(random.key(self._seed), stream)
        return low | high << 32

    def _scores(self, X: Any, method: str) -> np.ndarray:
        """The network's outputs for images or rows, (N, outputs), as float64."""
        home = str(Home.of(X))
        if home != self._home and get_config()["array_api_dispatch"]:
            raise ValueError(f"Inputs passed to {type(self).__name__}.{method}() "
                             "must use the same namespace and the same device as those passed to fit(). "
                             f"They are {home}, those passed to fit() were {self._home}")
        rows, _ = self._validated(X, NO_TARGETS, False)
        images, place = self.layout_.images(rows), beside(self.module_)
        if isinstance(self.module_.input_format, InputFormat):
            # of standardised pixels, which a network learns from
            self.module_.input_format.check_range(self.pixels_.standardised(images[:PREVIEW], self._dtype))
        scores = np.empty((len(images), self._outputs))
        with evaluating(self.module_):
            for start in range(0, len(images), AT_ONCE):
                # Always AT_ONCE images, the last one repeated: matrix products of one size treat every row
                # alike, so that an image's scores do not depend on the other images.
                indices = np.minimum(np.arange(start, start + AT_ONCE), len(images) - 1)
                output = self.module_(place(self.pixels_.standardised(images[indices], self._dtype)))
                scores[start:start + AT_ONCE] = output.numpy()[:len(images) - start]
        return scores

    # -- files -----------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted estimator to ``PATH.safetensors``.

        `callbacks` and a RandomState are not kept. `partial_fit` goes on from a loaded estimator as
        from this one.

        Raises
        ------
        TypeError
            If `architecture` or `optimizer` is a function or a class, which a file without code cannot hold.

        Returns
        -------
        Path
            The file.
        """
        return write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read back what `save` wrote.

        Raises
        ------
        FileNotFoundError
            If one of the files is not there.
        ValueError
            If one of them is damaged, they do not belong together, or they hold another estimator.
        """
        return read(cls, path)

    def _target_facts(self) -> dict[str, Any]:
        """What was learnt of the targets, as JSON holds it."""
        raise NotImplementedError

    def _take_target_facts(self, facts: Mapping[str, Any]) -> None:
        """Set what was learnt of the targets, from what `_target_facts` gave."""
        raise NotImplementedError

    # -- checks ----------------------------------------------------------------------------------------------

    @property
    def _dtype(self) -> str:
        return (dtype_name(self.architecture.get("dtype", "float32"))
                if isinstance(self.architecture, Mapping) else "float32")

    def _validated(self, X: Any, y: Any, new: bool) -> tuple[np.ndarray, Any]:
        """X as rows of the network's dtype, and y; their layout is learnt where `new`, else checked."""
        X, y = host(X), host(y)
        if not has_shape(X):
            X = np.asarray(X)
        layout = None if new else self.layout_
        if len(X.shape) > 2:
            layout = layout or Layout.of(X.shape, self.image_shape, self.data_format)
            X = layout.rows(X)
        if y is NO_TARGETS:
            X = validate_data(self, X, reset=new, dtype=self._dtype)
        else:
            X, y = validate_data(self, X, y, reset=new, dtype=self._dtype, **self._targets_of)
        if new:
            self.layout_ = layout or Layout.of(X.shape, self.image_shape, self.data_format)
        return X, y

    def _check_parameters(self) -> None:
        for name, minimum in (("max_epochs", 1), ("batch_size", 1), ("n_iter_no_change", 1)):
            whole(name, getattr(self, name), minimum)
        for name, low, high in (("lr", 0, math.inf), ("validation_fraction", 0, 1),
                                ("tol", -math.inf, math.inf)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not low < float(value) < high:
                raise ValueError(f"{name} must be a number between {low} and {high}; got {value!r}")
        if isinstance(self.optimizer, str) and self.optimizer not in BY_NAME:
            raise ValueError(f"optimizer is {', '.join(map(repr, BY_NAME))}, or a class of cnnkit.optim; "
                             f"got {self.optimizer!r}")
        named = isinstance(self.architecture, str)
        if not (named or isinstance(self.architecture, Mapping) or callable(self.architecture)):
            raise ValueError("architecture is 'common', a dict of models.CNN's arguments such as {'conv': "
                             "[(16, 3)]}, a name of models.list() such as 'resnet18', or a function of "
                             f"(image shape, outputs) that makes a module; got {self.architecture!r}")
        if not named or self.architecture == "common":
            for name in ("weights", "input_size"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name}={getattr(self, name)!r} is for an architecture by its name, "
                                     f"such as 'squeezenet1_1'; got {self.architecture!r}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.array_api_support = True
        return tags


def _weights(sample_weight: Any, n: int) -> np.ndarray:
    if sample_weight is None or isinstance(sample_weight, numbers.Real):
        sample_weight = np.full(n, 1.0 if sample_weight is None else float(sample_weight))
    weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n},): one for each sample")
    if weights.min() < 0:
        raise ValueError("Negative values in data passed to `sample_weight`: "
                         f"{weights.min()} for sample {weights.argmin()}")
    if not weights.any():
        raise ValueError("every sample_weight is zero: no sample is left to train on")
    return weights
