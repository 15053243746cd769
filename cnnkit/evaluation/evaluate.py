"""Using a trained model: its loss and accuracy on data, its classes and probabilities for images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from cnnkit import functional as F
from cnnkit import nn
from cnnkit.autograd import Tensor, no_grad
from cnnkit.data import ArrayDataset, DataLoader, description
from cnnkit.data.contracts import Augmentation, IndexedDataset, StreamDataset
from cnnkit.data.samples import pair_of
from cnnkit.data.stream import is_used_up, serves_once
from cnnkit.data.transforms import named
from cnnkit.evaluation.contracts import (
    AnyLoss,
    Data,
    Loader,
    SizedLoader,
    batch_loss,
    is_loader,
    plain,
)
from cnnkit.evaluation.counting import Counting, is_empty
from cnnkit.evaluation.intake import Intake
from cnnkit.evaluation.metrics import Metric
from cnnkit.evaluation.tally import Tally
from cnnkit.evaluation.weighting import cross_entropy
from cnnkit.foreign import is_array, is_array_like
from cnnkit.nn import Module

__all__ = ["Measuring", "Scores", "evaluate", "evaluating", "measure", "predict", "predict_outputs",
           "predict_proba", "scores_of"]


class Scores(NamedTuple):
    """Mean loss, and accuracy as a fraction of 1 (``None`` where the task has no classes)."""

    loss: float
    accuracy: float | None


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Evaluation without a tape in this thread, until the block's end; the model's own modes stay."""
    with nn.evaluating(model), no_grad():
        yield


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
    loader = plain(batches(data, batch_size, intake=Intake(model, loss)))
    scores = measure(model, loader, loss or cross_entropy, lambda done: False, metrics)
    assert scores is not None  # `stop` is never true
    return scores


def measure(model: Module, loader: Loader, loss: AnyLoss, stop: Callable[[int], bool],
            metrics: Sequence[Metric] = ()) -> Scores | None:
    """The scores of a model, or ``None`` if ``stop(batches done)``, called after each batch, was true."""
    tally, measuring = Tally(), Measuring(model, loader, loss)
    for metric in metrics:
        metric.reset()
    with evaluating(model):
        for done, batch in enumerate(loader, 1):
            seen = measuring.add(batch, tally)
            if seen is not None:
                for metric in metrics:
                    metric.update(*seen)
            if stop(done):
                return None
    return scores_of(tally)


class Measuring:
    """Measures a model on single batches of a loader, in an `evaluating` block.

    >>> from cnnkit.data import datasets
    >>> loader = DataLoader(datasets.digits(), batch_size=5)
    >>> model, tally = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), Tally()
    >>> with evaluating(model):
    ...     output, labels = Measuring(model, loader, F.cross_entropy).add(next(iter(loader)), tally)
    >>> output.shape, tally.images
    ((5, 10), 5)
    """

    def __init__(self, model: Module, loader: Loader, loss: AnyLoss):
        self.model, self.loss = model, loss
        self.counting, self.intake = Counting(loss), Intake(model, loss, [loader])

    def add(self, batch: Any, tally: Tally) -> tuple[Tensor, Tensor] | None:
        """Count a batch as the loader gives it: the model's output and the labels, or ``None`` of one that is
        known to count for nothing.
        """
        counting, intake = self.counting, self.intake
        x, y, *weight = intake.read(batch)
        counted = counting(y, *weight)
        if is_empty(counted.loss) and is_empty(counted.labels):
            tally.pass_over(x.shape[0])
            return None
        output = self.model(x)
        y = intake.target(output, y)
        labels = counting.labels(y)
        value = None if is_empty(counted.loss) else batch_loss(self.loss, output, y, *weight)
        tally.add(value, output, labels, counted, *weight, summed=counting.summed)
        return output, labels


def scores_of(tally: Tally) -> Scores:
    """The scores of all batches that a tally has counted.

    Raises
    ------
    ValueError
        If there were none, or none that counts for anything.
    """
    scores = Scores(*tally.read())
    if not tally.images:
        raise ValueError("the data hold no batch, so there is nothing to measure; an iterator, such as a "
                         "generator, can be gone through only once")
    if not tally.total:
        raise ValueError("every sample has weight 0, or a label that is ignored: there is nothing to measure")
    return scores


def predict_proba(model: Module, images: Any, *, batch_size: int = 256) -> Tensor:
    """Each image's probability of each class, (N, classes): softmax of the model's scores.

    `images` and errors are those of `predict`.
    """
    return F.softmax(_scores(model, images, batch_size), dim=1)


def predict(model: Module, images: Any, *, batch_size: int = 256) -> Tensor:
    """Each image's most probable class, (N,) int64; (N, H, W) of a network that gives scores for each pixel.

    Parameters
    ----------
    model : Module
        From images (N, C, H, W) to scores (N, classes).
    images : Tensor, array, dataset, DataLoader, or iterable of batches
        A Tensor goes to the model as it is. Arrays, lists and Pillow images are prepared as `train.fit`
        prepared its own, by the model's ``input_format``: pictures are scaled and normalised, (N, H, W) gets
        its channel, and the channels move to the front. Labels that a dataset, a loader or a pair
        ``(images, labels)`` has are left out. Results are in the order of the images.
    batch_size : int
        Images a step, where they are not in batches yet.

    Raises
    ------
    ValueError
        If there are no images, they have other channels than those of training, or hold NaN; if a loader
        shuffles; if the model gives no scores of classes.
    TypeError
        If the images are no numbers, or integers that are neither uint8 nor uint16.

    Warns
    -----
    InputWarning
        If the images differ in size, or in the range of their numbers, from those of training.

    >>> from cnnkit import models, random
    >>> from cnnkit.data import datasets
    >>> random.seed(0)
    >>> predict(models.CommonCNN((1, 8, 8)), datasets.digits().data[:5]).shape
    (5,)
    """
    return _scores(model, images, batch_size).argmax(dim=1)


def predict_outputs(model: Module, images: Any, *, batch_size: int = 256) -> Tensor:
    """The model's output for each image, (N, ...): scores of classes, or the numbers of a regression.

    `images` and errors are those of `predict`.
    """
    intake = Intake(model)
    with evaluating(model):
        parts = [model(x) for x in intake.inputs(images, batch_size)]
    if not parts:
        shape = f": got shape {tuple(images.shape)}" if is_array(images) else ""
        raise ValueError(f"there are no images to predict{shape}")
    return F.cat(parts) if len(parts) > 1 else parts[0]


def _scores(model: Module, images: Any, batch_size: int) -> Tensor:
    output = predict_outputs(model, images, batch_size=batch_size)
    if output.ndim < 2 or output.shape[1] == 1:
        raise ValueError(f"the model gives {tuple(output.shape)}, and no scores (N, classes) of two or more "
                         "classes; predict_outputs gives its numbers as they are")
    return output


def batches(data: Data, batch_size: int, shuffle: bool = False, seed: int | None = None,
            augment: str | Augmentation | None = None, intake: Intake | None = None) -> Loader:
    """A loader over `data`, which may be one already, a dataset, or a pair of arrays (images, labels).

    Parameters
    ----------
    intake : Intake, optional
        Of the model that takes the batches, which says how it takes arrays.

    Raises
    ------
    TypeError
        If there are images without labels.
    ValueError
        If `augment` is given and `data` are in batches already.
    """
    if isinstance(data, Mapping):
        data = pair_of(data, "the data")
    elif is_array_like(data):
        raise TypeError(f"a {type(data).__name__} has no labels: give (images, labels), a dataset or a "
                        "loader; predict takes images alone")
    if isinstance(data, tuple | list) and len(data) == 2 and (isinstance(data, tuple) or is_array(data[0])):
        data = ArrayDataset(*data) if intake is None else intake.dataset(*data)
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
