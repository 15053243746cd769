"""Using a trained model: its loss and accuracy on data, its classes and probabilities for images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from cnnkit import functional as F
from cnnkit.autograd import Tensor, no_grad
from cnnkit.data import ArrayDataset, DataLoader, description
from cnnkit.data.contracts import Augmentation, IndexedDataset, StreamDataset
from cnnkit.data.stream import is_used_up, serves_once
from cnnkit.data.transforms import named
from cnnkit.evaluation.contracts import (
    AnyLoss,
    AugmentingLoader,
    Data,
    Loader,
    SizedLoader,
    batch_loss,
    is_loader,
)
from cnnkit.evaluation.counting import Counting, is_empty
from cnnkit.evaluation.metrics import Metric
from cnnkit.evaluation.tally import Tally
from cnnkit.evaluation.weighting import cross_entropy
from cnnkit.nn import Module

__all__ = ["Scores", "evaluate", "evaluating", "measure", "predict", "predict_proba"]


class Scores(NamedTuple):
    """Mean loss, and accuracy as a fraction of 1 (``None`` where the task has no classes)."""

    loss: float
    accuracy: float | None


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode without a tape until the block's end, which restores every module's mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def evaluate(model: Module, data: Data, loss: AnyLoss | None = None, *, batch_size: int = 256,
             metrics: Sequence[Metric] = ()) -> Scores:
    """Measure a model on data.

    Parameters
    ----------
    model : Module
        From images (N, C, H, W) to scores (N, classes).
    data : DataLoader, dataset, or (images, labels)
        What to measure it on.
    loss : callable
        ``loss(output, target)``, a mean over the batch; cross-entropy by default.
    batch_size : int
        Images per batch, where `data` is not in batches yet.
    metrics : sequence of Metric
        Of `cnnkit.evaluation.metrics`; their ``compute()`` gives their figures afterwards.

    >>> from cnnkit import models, random
    >>> from cnnkit.data import datasets
    >>> random.seed(0)
    >>> evaluate(models.CommonCNN((1, 8, 8)), datasets.digits(train=False)).accuracy < 0.5
    True
    """
    scores = measure(model, plain(batches(data, batch_size)), loss or cross_entropy,
                     lambda done: False, metrics)
    assert scores is not None  # `stop` is never true
    return scores


def measure(model: Module, loader: Loader, loss: AnyLoss, stop: Callable[[int], bool],
            metrics: Sequence[Metric] = ()) -> Scores | None:
    """The scores of a model, or ``None`` if ``stop(batches done)``, called after each batch, was true."""
    tally, counting = Tally(), Counting(loss)
    for metric in metrics:
        metric.reset()
    with evaluating(model):
        for done, (x, y, *weight) in enumerate(loader, 1):
            counted = counting(y, *weight)
            if is_empty(counted.loss) and is_empty(counted.labels):
                tally.pass_over(x.shape[0])
            else:
                output, labels = model(x), counting.labels(y)
                value = None if is_empty(counted.loss) else batch_loss(loss, output, y, *weight)
                tally.add(value, output, labels, counted, *weight, summed=counting.summed)
                for metric in metrics:
                    metric.update(output, labels)
            if stop(done):
                return None
    scores = Scores(*tally.read())
    if not tally.images:
        raise ValueError("the data hold no batch, so there is nothing to measure; an iterator, such as a "
                         "generator, can be gone through only once")
    if not tally.total:
        raise ValueError("every sample has weight 0, or a label that is ignored: there is nothing to measure")
    return scores


def predict_proba(model: Module, images: Any, *, batch_size: int = 256) -> Tensor:
    """Each image's probability of each class, (N, classes): softmax of the model's scores."""
    return F.softmax(_outputs(model, images, batch_size), dim=1)


def predict(model: Module, images: Any, *, batch_size: int = 256) -> Tensor:
    """Each image's most probable class, (N,) int64."""
    return _outputs(model, images, batch_size).argmax(dim=1)


def _outputs(model: Module, images: Any, batch_size: int) -> Tensor:
    x = images if isinstance(images, Tensor) else Tensor(images)
    if x.shape[0] == 0:
        raise ValueError(f"there are no images to predict: got shape {x.shape}")
    with evaluating(model):
        count = x.shape[0]
        parts = [model(x[start:min(start + batch_size, count)]) for start in range(0, count, batch_size)]
        return F.cat(parts) if len(parts) > 1 else parts[0]


def batches(data: Data, batch_size: int, shuffle: bool = False, seed: int | None = None,
            augment: str | Augmentation | None = None) -> Loader:
    """A loader over `data`, which may be one already, a dataset, or a pair of arrays (images, labels).

    Raises
    ------
    ValueError
        If `augment` is given and `data` are in batches already.
    """
    if isinstance(data, tuple) and len(data) == 2:
        data = ArrayDataset(*data)
    if is_loader(data):
        if augment is not None:
            raise ValueError("augment= is for data that are not in batches yet: a dataset, or (images, "
                             "labels); give it to the DataLoader instead")
        return data
    dataset = cast(IndexedDataset | StreamDataset, data)
    return DataLoader(dataset, batch_size, shuffle=shuffle, seed=seed, augment=_transforms(augment, dataset))


def check_epochs(name: str, loader: Loader, epochs: int) -> None:
    """Raise ValueError for batches that are known not to last for so many epochs; `name` is the argument's.

    >>> check_epochs("data", iter([1, 2]), 1)
    """
    source = description.dataset_of(loader)
    for batches in (loader,) if source is None else (loader, source):
        if epochs > 1 and (serves_once(batches) or (batches is source and isinstance(source, Iterator))):
            raise ValueError(f"{name} is a {type(batches).__name__}, which can be gone through only once, "
                             f"and there are {epochs} epochs: give a DataLoader, or an object whose __iter__ "
                             "begins anew")
        if epochs and is_used_up(batches):
            raise ValueError(f"{name} holds no batch: the {type(batches).__name__} is used up; "
                             "make a new one for each call")
    if count(loader) == 0:
        raise ValueError(f"{name} holds no batch: its length is 0")


def _transforms(augment: str | Augmentation | None, dataset: Any) -> Augmentation | None:
    """Random transforms, made for the dataset's images and classes where they are given by name."""
    if not isinstance(augment, str):
        return augment
    shape = description.image_shape(dataset)
    if shape is None:
        raise ValueError(f"augment={augment!r} makes transforms for the dataset's image_shape, and a "
                         f"{type(dataset).__name__} has none; give transforms of cnnkit.data.transforms")
    classes = description.class_names(dataset)
    return named(augment, shape, None if classes is None else len(classes))


def plain(loader: Loader) -> Loader:
    """The loader without augmentation, where it has any, to measure the images themselves."""
    if isinstance(loader, AugmentingLoader) and loader.describe_augmentation() is not None:
        return loader.plain()
    return loader


def count(loader: Loader) -> int | None:
    """How many batches an epoch has, where the loader knows.

    >>> count([1, 2]), count(iter([1, 2]))
    (2, None)
    """
    if not isinstance(loader, SizedLoader):
        return None
    try:
        return len(loader)
    except TypeError:  # also what a loader over a stream raises, PyTorch's too
        return None
