"""Any module as a scikit-learn estimator in skorch's form: what the classifier and the regressor share."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from cnnkit import optim, random
from cnnkit.autograd import Tensor
from cnnkit.data import DataLoader, description, random_split
from cnnkit.data.arrays import Samples
from cnnkit.data.host import host_array
from cnnkit.evaluation.contracts import is_loader
from cnnkit.evaluation.evaluate import evaluating, plain
from cnnkit.safetensors import load_file, save_file
from cnnkit.sklearn.criterion import Criterion
from cnnkit.sklearn.epochs import run
from cnnkit.sklearn.place import beside, use_for
from cnnkit.sklearn.samples import has_targets, host
from cnnkit.sklearn.warm import changed, renew
from cnnkit.train import History

__all__ = ["NeuralNet"]

PARTS = ("module", "criterion", "optimizer", "iterator_train", "iterator_valid")


class NeuralNet(BaseEstimator):
    """Base of `NeuralNetClassifier` and `NeuralNetRegressor`: training a module with a criterion.

    Parameters
    ----------
    module : class of Module, or Module
        The network; ``module__NAME`` is its argument NAME. A module that exists already is copied,
        weights and all.
    criterion : class of Module, or callable
        The loss of ``(output, target)``; ``criterion__NAME`` is its argument.
    optimizer : class of Optimizer
        Called with the parameters and `lr`; ``optimizer__NAME`` is its argument.
    lr : float
        Learning rate.
    max_epochs : int
        How often to go through the data.
    batch_size : int
        Samples a step, where the data are no loader.
    train_split : float, optional
        Part of the data that is held out and measured after each epoch; by default none (skorch's default
        is a fifth).
    callbacks : sequence of callable
        ``callback(net, row)`` after each epoch, `row` being the last of ``history_``; a true result
        ends training.
    warm_start : bool
        Let `fit` go on from the weights of the last call.
    verbose : int
        Show the progress of training.
    random_state : int or RandomState, optional
        Where initial weights, order and dropout come from; by default `cnnkit.random`'s generator.
    backend : str, optional
        Where the network is made and trained; by default where `cnnkit.use` says.
    **settings
        ``module__*``, ``criterion__*``, ``optimizer__*``, and ``iterator_train__*`` and
        ``iterator_valid__*``, which are arguments of `data.DataLoader`. Training data are shuffled unless
        ``iterator_train__shuffle=False``.

    Attributes
    ----------
    module_, criterion_, optimizer_
        The module, criterion and optimizer that were made from the parameters.
    history_ : train.History
        Loss, accuracy and speed of each epoch; `history` is the same.
    """

    def __init__(self, module: Any, criterion: Any, optimizer: Any = optim.SGD, lr: float = 0.01,
                 max_epochs: int = 10, batch_size: int = 128, train_split: float | None = None,
                 callbacks: Sequence[Callable[..., Any]] | None = None, warm_start: bool = False,
                 verbose: int = 1,
                 random_state: Any = None, backend: Any = None, **settings: Any):
        self.module = module
        self.criterion = criterion
        self.optimizer = optimizer
        self.lr = lr
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.train_split = train_split
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state
        self.backend = backend
        self._set(settings)

    _changed: frozenset[str] = frozenset()  # the parameters that were set since the last `fit`

    # -- parameters ------------------------------------------------------------------------------------------

    def _set(self, settings: dict[str, Any]) -> None:
        for name in settings:
            if name.partition("__")[0] not in PARTS or "__" not in name:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}; "
                                f"it has {', '.join(self._get_param_names())}, "
                                f"and {', '.join(f'{part}__*' for part in PARTS)}")
        for name, value in settings.items():
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, ``module__*`` and the like among them."""
        return {**super().get_params(deep),
                **{n: v for n, v in vars(self).items() if "__" in n and n.partition("__")[0] in PARTS}}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; they count from the next `fit` or `partial_fit`, warm ones included.

        Settings of the optimizer are then set in the present one. A module, criterion or optimizer whose
        class or arguments have changed is made anew: a module without its weights.
        """
        before, given = dict(vars(self)), dict(params)
        names = [n for n in params if "__" in n and n.partition("__")[0] in PARTS]
        part_settings = {n: params.pop(n) for n in names}
        super().set_params(**params)
        self._set(part_settings)
        if hasattr(self, "module_"):
            self._changed = self._changed | changed(before, given)
        return self

    def _settings(self, part: str) -> dict[str, Any]:
        return {n.partition("__")[2]: v for n, v in vars(self).items() if n.startswith(f"{part}__")}

    def _instance(self, part: str, **settings: Any) -> Any:
        """The part, made from its class and settings, or copied if the parameter is an object already."""
        part_value, settings = getattr(self, part), {**settings, **self._settings(part)}
        if isinstance(part_value, type):
            return part_value(**settings)
        if settings:
            raise ValueError(f"{part}={part_value!r} is made already, so {part}__{next(iter(settings))} has "
                             "no effect: give its class")
        return copy.deepcopy(part_value)

    # -- skorch's methods ------------------------------------------------------------------------------------

    def initialize(self) -> Self:
        """Make module, criterion and optimizer anew, and forget the history."""
        self._draw_seed()
        with self._draws(0), use_for(self.backend, None):
            self.module_ = self._instance("module")
            self.criterion_ = self._instance("criterion")
        self.optimizer_ = self._made_optimizer()
        self.history_, self._changed = History(), frozenset()
        return self

    def _draw_seed(self) -> None:
        if self.random_state is not None:
            self._seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _optimizer_settings(self) -> dict[str, Any]:
        return {"lr": self.lr, **self._settings("optimizer")}

    def _made_optimizer(self) -> optim.Optimizer:
        return self.optimizer(self.module_.parameters(), **self._optimizer_settings())

    def _draws(self, stream: int) -> AbstractContextManager:
        if self.random_state is None:
            return nullcontext()
        low, high = random.fold_in(random.key(self._seed), stream)
        return random.seeded(low | high << 32)

    @property
    def history(self) -> History:
        """Loss, accuracy and speed of each epoch."""
        return self.history_

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train a new module, or, with ``warm_start``, that of the last call.

        Parameters
        ----------
        X : array-like, dataset or DataLoader
            Inputs; a dataset or a loader has the targets too.
        y : array-like, optional
            Targets. A dataset or a loader has its own; beside it, `y` must equal its ``targets``.
        """
        if not (self.warm_start and hasattr(self, "module_")):
            self.initialize()
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> Self:
        """Train the present module for `max_epochs` more; `classes` are all labels, also of later calls."""
        if not hasattr(self, "module_"):
            self.initialize()
        if self._changed:
            renew(self, self._changed)
            self._changed = frozenset()
        with self._draws(1 + len(self.history_)):
            loader, validation = self._loaders(X, y, classes)
            run(self.module_, loader, self.history_, self.max_epochs,
                optimizer=self.optimizer_, loss=Criterion(self.criterion_, self._loss), validation=validation,
                verbose=self.verbose, after=[partial(call, self) for call in self.callbacks or ()])
        self.optimizer_.zero_grad()
        return self

    def _loaders(self, X: Any, y: Any, classes: Any) -> tuple[Any, Any]:
        if not has_targets(X):
            if y is None:
                raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
            X = host_array(X, "X")
            X, y = Samples(X, self._learn_targets(y, classes)), None
        else:
            dataset = description.dataset_of(X) if is_loader(X) else X
            targets = description.targets(dataset)
            if y is not None and (targets is None or not np.array_equal(host(y), host(targets))):
                raise ValueError("y is given beside a dataset that has labels, "
                                 "and they are not its targets; leave y out")
            if targets is not None or classes is not None:
                self._learn_targets(targets if targets is not None else classes, classes)
            self._learn_names(dataset)
        validation = None
        if self.train_split is not None:
            if is_loader(X):
                raise ValueError(f"train_split={self.train_split} divides a dataset; "
                                 "a loader is taken as it is: give its dataset")
            X, held_out = random_split(X, [1 - self.train_split, self.train_split], seed=random.next_key()[0])
            validation = DataLoader(held_out, **{"batch_size": self.batch_size, **self._backend_option(),
                                                 **self._settings("iterator_valid")})
        if not is_loader(X):
            options = {"batch_size": self.batch_size, "shuffle": True, **self._backend_option(),
                       **self._settings("iterator_train")}
            X = DataLoader(X, **options)
        return X, validation

    def _backend_option(self) -> dict[str, Any]:
        return {} if self.backend is None else {"backend": self.backend}

    def _learn_targets(self, y: Any, classes: Any) -> np.ndarray:
        """The targets as the criterion takes them."""
        raise NotImplementedError

    def _learn_names(self, dataset: Any) -> None:
        """Learn the classes from a dataset that names them."""

    def _loss(self, output: Tensor, target: Tensor) -> Tensor:
        return self.criterion_(output, target)

    def forward(self, X: Any) -> np.ndarray:
        """The module's outputs in evaluation mode, batch by batch, as one NumPy array."""
        check_is_fitted(self, "module_")
        if isinstance(X, DataLoader) and X.shuffle:
            raise ValueError("the loader shuffles, so its outputs would be in an order that nobody knows; "
                             "use shuffle=False, or give the dataset")
        place = beside(self.module_)
        if isinstance(X, DataLoader):
            batches: Iterator[np.ndarray] = (x for x, _ in X.plain().numpy_batches())
        elif is_loader(X):
            batches = (host(x) for x, *_ in plain(X))
        else:
            if not has_targets(X):
                X = host_array(X, "X")
                X = Samples(X, np.zeros(len(X), np.int64))
            options = {"batch_size": self.batch_size, **self._settings("iterator_valid"), "shuffle": False}
            batches = (x for x, _ in DataLoader(X, **options).numpy_batches())
        with evaluating(self.module_):
            return np.concatenate([self.module_(place(x)).numpy() for x in batches])

    def predict(self, X: Any) -> np.ndarray:
        """The module's output for each input."""
        return self.forward(X)

    def save_params(self, f_params: str | os.PathLike[str]) -> None:
        """Write the module's weights to a safetensors file."""
        check_is_fitted(self, "module_")
        save_file(self.module_.state_dict(), f_params)

    def load_params(self, f_params: str | os.PathLike[str]) -> None:
        """Read weights that `save_params` wrote into the module, which is made first if it is not there."""
        if not hasattr(self, "module_"):
            self.initialize()
        self.module_.load_state_dict(load_file(f_params))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "module_")
