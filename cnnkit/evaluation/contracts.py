"""What the training loop asks of a loss and of a loader: the methods that it calls.

A class of yours meets a contract by having its methods; it need not derive from anything. Optional methods
are separate contracts, and their names mean nothing else: attributes such as ``size``, ``reduction``,
``batch_size``, ``dataset`` or ``epoch`` are free for your use. `cnnkit.data.contracts` has what the loader
asks of datasets, samplers and augmentations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeGuard, cast, runtime_checkable

from cnnkit.autograd import Tensor
from cnnkit.data import DataLoader, IterableDataset
from cnnkit.data.contracts import IndexedDataset, StreamDataset

__all__ = ["AnyLoss", "AugmentingLoader", "Data", "HeldOutLoss", "Loader", "Loss", "ResumableLoader",
           "SampleWeightedLoss", "SizedLoader", "WeightedLoss", "batch_loss", "is_loader", "plain"]


# -- losses ------------------------------------------------------------------------------------------------


class Loss(Protocol):
    """A loss: any callable of the model's output and the targets. `nn` and `functional` have some.

    >>> from cnnkit import functional as F, nn, train
    >>> from cnnkit.data import datasets
    >>> class Smooth:
    ...     def __init__(self, amount):
    ...         self.amount = amount
    ...     def __call__(self, output, target):
    ...         return F.cross_entropy(output, target, label_smoothing=self.amount)
    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    >>> history = train.fit(net, datasets.digits(), loss=Smooth(0.1), seed=0, progress=False)
    >>> history[0].loss < 3
    True
    """

    def __call__(self, output: Tensor, target: Tensor, /) -> Tensor:
        """The mean loss of a batch, a Tensor of shape ``()``.

        `output` is the model's output for the images, `target` what the loader gave beside them. The means of
        the batches of one update (``accumulate_grad_batches``), and of those of an epoch, are averaged with
        their numbers of images as weights; for a mean over anything else, see `WeightedLoss`.
        """


class SampleWeightedLoss(Protocol):
    """What a loss must be where the loader gives batches ``(x, y, weight)``: it takes the weights too."""

    def __call__(self, output: Tensor, target: Tensor, weight: Tensor, /) -> Tensor:
        """The mean loss, weighted by `weight` (N,): sum(weight * loss) / sum(weight).

        The means of several batches are averaged with their sums of weights as weights.
        """


AnyLoss = Loss | SampleWeightedLoss


@runtime_checkable
class WeightedLoss(Protocol):
    """Optional for a loss: it says what a batch's mean stands for, such as the labels that are not ignored.

    The means of the batches of one update, and of those of an epoch, are averaged with these counts, so that
    they are the mean over all batches in one. A batch with count 0 changes nothing. Without this method a
    batch counts for its rows, or for the sum of the loader's weights. The losses of `nn` and `functional` are
    known, and need none.

    >>> import cnnkit
    >>> from cnnkit import evaluation, functional as F, nn
    >>> class Visible:
    ...     "The squared error of the numbers that are not negative."
    ...     def __call__(self, output, target):
    ...         return (((output - target) ** 2) * (target >= 0)).sum() / (target >= 0).sum()
    ...     def batch_weight(self, target, weight=None):
    ...         return (target >= 0).sum()
    >>> batches = [(cnnkit.tensor([[1.0], [2.0]]), cnnkit.tensor([[1.0], [5.0]])),
    ...            (cnnkit.tensor([[3.0], [4.0]]), cnnkit.tensor([[6.0], [-1.0]]))]
    >>> evaluation.evaluate(nn.Identity(), iter(batches), Visible()).loss
    6.0
    """

    def __call__(self, output: Tensor, target: Tensor, weight: Tensor | None = None, /) -> Tensor:
        """The weighted mean of a batch: a sum divided by ``batch_weight(target, weight)``."""

    def batch_weight(self, target: Tensor, weight: Tensor | None = None, /) -> float | Tensor:
        """What the sum was divided by: a number, or a Tensor (), which a device need not be waited for."""


@runtime_checkable
class HeldOutLoss(Protocol):
    """Optional for a loss: another one measures held-out images, such as one without class weights."""

    def held_out_loss(self) -> AnyLoss:
        """The loss that measures held-out images."""


def batch_loss(loss: AnyLoss, output: Tensor, target: Tensor, *weight: Tensor) -> Tensor:
    """The loss of a batch as a loader gives it: with its weights where it has any.

    >>> import cnnkit
    >>> from cnnkit import functional as F
    >>> batch_loss(F.mse_loss, cnnkit.tensor([1.0, 3.0]), cnnkit.tensor([1.0, 1.0])).item()
    2.0
    """
    if not weight:
        return cast(Loss, loss)(output, target)
    return cast(SampleWeightedLoss, loss)(output, target, *weight)


# -- loaders -----------------------------------------------------------------------------------------------


class Loader(Protocol):
    """Data in batches: any iterable without an index, `data.DataLoader` and PyTorch's among them.

    What has an index is a dataset, which `fit` puts into batches itself.

    >>> import cnnkit
    >>> from cnnkit import nn, train
    >>> class Ones:
    ...     def __iter__(self):
    ...         for _ in range(3):
    ...             yield cnnkit.tensor([[1.0, 1.0]]), cnnkit.tensor([1])
    >>> history = train.fit(nn.Linear(2, 2), Ones(), epochs=2, progress=False)
    >>> history[1].loss < history[0].loss
    True
    """

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """The batches of the next epoch: (x, y), or (x, y, weight) with a weight (N,) for each sample.

        Called once an epoch.
        """


@runtime_checkable
class _Indexed(Protocol):
    def __getitem__(self, index: Any, /) -> Any: ...


def is_loader(data: Any) -> TypeGuard[Loader]:
    """Whether data are in batches: a `DataLoader`, or an iterable without ``[]`` but an `IterableDataset`.

    >>> from cnnkit.data import DataLoader
    >>> is_loader(DataLoader([1, 2])), is_loader(iter([])), is_loader([])
    (True, True, False)
    """
    if isinstance(data, DataLoader):
        return True
    return isinstance(data, Iterable) and not isinstance(data, _Indexed | IterableDataset)


@runtime_checkable
class SizedLoader(Protocol):
    """Optional for a loader: how many batches an epoch has.

    Without it the progress bar has no end, and schedules by name, which need to know, are refused.
    """

    def __len__(self) -> int:
        """The number of batches; raises TypeError where it is unknown, as `DataLoader` does over a stream."""


@runtime_checkable
class ResumableLoader(Protocol):
    """Optional for a loader: it keeps which batches come next, and skips batches without loading them.

    A resumed run iterates over the finished batches of a loader without it once more, without training on
    them, and they must be the same again.
    """

    def skip_batches(self, batches: int, /) -> None:
        """Skip so many batches of the next iteration; called before every iteration, mostly with 0."""

    def state_dict(self) -> dict[str, Any]:
        """What the next iteration depends on; called before an iteration, for checkpoints.

        Numbers, text, Tensors, and lists and dicts of them.
        """

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Make the next iteration the one that `state` was taken before."""

    def describe_batches(self) -> Mapping[str, int | str | None]:
        """What must not differ in a resumed run, by name: ``{"batch size": 32}``, or ``{}``."""


@runtime_checkable
class AugmentingLoader(Protocol):
    """Optional for a loader: it changes its images at random, and also gives them unchanged.

    Batches of a loader without it are measured as they come.
    """

    def plain(self) -> Loader:
        """A loader of the same batches without augmentation, for evaluation."""

    def describe_augmentation(self) -> str | None:
        """A text on the augmentation that is the same in every process; ``None`` where there is none.

        A run is not resumed with another augmentation.
        """

    def mixes_labels(self) -> bool:
        """Whether targets (N, K) are probabilities of class indices: see `data.contracts.LabelMixing`."""


def plain(loader: Loader) -> Loader:
    """The loader without augmentation, where it has any, to measure the images themselves."""
    if isinstance(loader, AugmentingLoader) and loader.describe_augmentation() is not None:
        return loader.plain()
    return loader


Data = Loader | IndexedDataset | StreamDataset | tuple[Any, Any]  # the last: arrays of images and of labels
