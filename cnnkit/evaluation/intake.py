"""Intake: how a model takes batches, in `fit`, `evaluate` and `predict` alike: dtypes, places, checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, current, dtype_name
from cnnkit.data import DataLoader, description
from cnnkit.data.arrays import Samples, dataset_of_arrays
from cnnkit.data.dataset import ArrayDataset, Dataset
from cnnkit.data.host import host_array
from cnnkit.data.input_format import InputFormat, say_unscaled
from cnnkit.data.layout import channels_last
from cnnkit.data.on_device import TensorDataset
from cnnkit.data.samples import input_of, is_listed_pair, pair_of, stack_images
from cnnkit.data.stream import is_stream
from cnnkit.evaluation.contracts import AnyLoss, is_loader, plain
from cnnkit.evaluation.targets import check_kind, fitted, kind_of, settle
from cnnkit.foreign import device_of, is_array, is_array_like, is_pillow
from cnnkit.nn import Module
from cnnkit.ops.dtypes import is_floating

__all__ = ["Intake"]

CONVOLUTIONS = (nn.Conv1d, nn.ConvTranspose1d, nn.Conv2d, nn.ConvTranspose2d, nn.Conv3d, nn.ConvTranspose3d)
PICTURES = ("uint8", "uint16")


class Intake:
    """What a model's inputs and targets must be, found out once and applied to every batch.

    A Tensor of inputs is what the model takes, and only its dtype is converted. Other libraries' arrays are
    prepared: see `data.arrays.dataset_of_arrays`.

    Parameters
    ----------
    model : Module
    loss : callable, optional
        What the targets are for; cross-entropy by default.
    loaders : sequence of Loader
        Of training and validation: the labels of their datasets are compared with the model's first output.
    learn : bool
        Set the model's ``input_format`` by the first batch, instead of comparing with it.

    >>> import cnnkit
    >>> intake = Intake(nn.Linear(2, 1), nn.MSELoss())
    >>> x, y = intake.read({"x": cnnkit.tensor([[0.0, 1.0]], dtype="float64"), "y": [[3]]})
    >>> str(x.dtype), str(intake.target(x.sum(dim=1, keepdim=True), y).dtype)
    ('float32', 'float32')
    """

    learn: bool
    loss: AnyLoss | None
    model: Module
    backend: Any

    def __init__(self, model: Module, loss: AnyLoss | None = None, loaders: Iterable[Any] = (),
                 learn: bool = False):
        self.model, self.loss, self.learn = model, loss, learn
        self.kind: Any = kind_of(loss)
        self.loaders: list[Any] = [loader for loader in loaders if loader is not None]
        weight = next((p.array for p in model.parameters() if is_floating(p.dtype)), None)
        self.backend = None if weight is None else backend_of(weight)
        self.device: Any = None if weight is None else device_of(weight)
        self.dtype: str | None = None if weight is None else dtype_name(weight.dtype)
        first = next((module for module in model.modules() if isinstance(module, CONVOLUTIONS)), None)
        self.rank: int = 2 if first is None else first.rank
        self.channels: Any = None if first is None else first.in_channels
        self._seen = self._settled = self._weighted = False
        # dtypes, and of targets dtypes and axes, that stay as they are: found in little time
        self._kept: set[Any] = set()
        self._kept_targets: set[tuple[Any, int]] = set()
        for loader in self.loaders:
            if isinstance(loader, DataLoader):
                loader.expect_place(self._place_name())
            if isinstance(loader, DataLoader) and self.kind is not None:
                loader.expect_labels(None, self.kind.ignore_index)
            for targets in self._targets(loader):
                check_kind(self.kind, targets)

    @staticmethod
    def _targets(loader: Any) -> Iterator[Any]:
        """The labels of all samples, if the loader's dataset has them."""
        targets = description.targets(description.dataset_of(loader))
        if targets is not None and targets.dtype.kind in "biuf":
            yield targets

    def _place_name(self) -> str | None:
        """Where the model is, as `cnnkit.use` takes it."""
        if self.backend is None or self.backend.host:
            return None if self.backend is None or self.backend is current() else self.backend.name
        devices = self.backend.devices().items() if self.device is not None else ()
        name = next((name for name, device in devices if device == self.device), None)
        return self.backend.name if name is None else f"{self.backend.name}:{name}"

    # -- batches ---------------------------------------------------------------------------------------------

    def dataset(self, images: Any, labels: Any = None) -> Dataset:
        """Arrays as the dataset that the model takes: see `data.arrays.dataset_of_arrays`.

        Images that are on the model's device already, as it takes them, stay there.
        """
        raw = images.array if isinstance(images, Tensor) else images
        if is_array(raw) and labels is not None and self._ready(raw) and raw.shape[0]:
            targets = self._placed(labels, "labels")
            return TensorDataset(Tensor(raw), targets if isinstance(targets, Tensor)
                                 and backend_of(targets.array) is self.backend
                                 else self._place(host_array(labels, "labels")))
        return dataset_of_arrays(images, labels, learnt=self._training() if self.learn else self.learnt,
                                 channels=self.channels, rank=self.rank, dtype=self.dtype or "float32",
                                 ignore_index=-100 if self.kind is None else self.kind.ignore_index)

    def _training(self) -> InputFormat | None:
        """The format of the training data, which is the first loader's, before the first batch.

        Where they do not say, what the weights want that the model began with.
        """
        known = InputFormat.of_dataset(description.dataset_of(self.loaders[0])) if self.loaders else None
        return self.learnt if known is None and self.learnt is not None and self.learnt.of_weights else known

    @property
    def learnt(self) -> InputFormat | None:
        """What the model has learnt from, where that is known."""
        return self.model.input_format if isinstance(self.model.input_format, InputFormat) else None

    def read(self, batch: Any) -> tuple[Any, ...]:
        """The parts of a batch, (x, y) or (x, y, weight), as Tensors of the model's dtype.

        Raises
        ------
        TypeError
            If the batch has another form, or the targets another kind than the loss takes.
        """
        if type(batch) is tuple and len(batch) in (2, 3) and all(map(self._keeps, batch)):
            return batch
        if isinstance(batch, Mapping):
            x, y = pair_of(batch, "a batch")
            weight: tuple[Any, ...] = ()
        elif isinstance(batch, tuple | list) and len(batch) in (2, 3):
            x, y, *rest = batch
            weight, self._weighted = tuple(rest), bool(rest)
        else:
            kind = f"a tuple of {len(batch)}" if isinstance(batch, tuple) else f"a {type(batch).__name__}"
            raise TypeError(f"a loader must give batches (x, y), or (x, y, weight), and gave {kind}; "
                            "put images and labels together, or give a dataset")
        first, given = not self._seen, (x, y)
        x, y = self.input(x), self._float(self._placed(y, "labels"))
        for before, after in zip(given, (x, y)):
            if before is after and isinstance(after, Tensor) and self._seen:
                self._kept.add(after.array.dtype)
        if first and isinstance(y, Tensor):
            check_kind(self.kind, y)
        return (x, y, *(self._float(self._placed(values, "weights")) for values in weight))

    def _keeps(self, part: Any) -> bool:
        return isinstance(part, Tensor) and part.array.dtype in self._kept

    def input(self, x: Any) -> Any:
        """Inputs as a Tensor of the model's dtype; pictures in other libraries' arrays are scaled to [0, 1].

        The first are compared with what the model has learnt from.
        """
        if is_array(x) and not isinstance(x, Tensor):
            x = self._pictures(x) if dtype_name(x.dtype) in PICTURES else self._placed(x)
        x = self._float(x)
        if not self._seen and isinstance(x, Tensor) and x.ndim > 1 and is_floating(x.dtype):
            self._seen = True
            self._compare(x)
        return x

    def _compare(self, x: Tensor) -> None:
        """Learn the format of the first batch, or compare it with what was learnt."""
        values = backend_of(x.array).to_numpy(x.array)
        if self.learn:
            dataset = description.dataset_of(self.loaders[0]) if self.loaders else None
            learnt = InputFormat.of(values, dataset)
            if self.learnt is not None and self.learnt.of_weights:
                if not learnt.normalises_as(self.learnt):
                    self.learnt.check_range(values)
                learnt = replace(learnt, of_weights=True)
            if self.model.input_format is None or self.learnt is not None:  # no attribute of the user's
                self.model.input_format = learnt
            say_unscaled(learnt, dataset)
        elif self.learnt is not None:
            self.learnt.check_shape(x.shape)
            self.learnt.check_range(values)

    def _pictures(self, x: Any) -> Tensor:
        """A batch of pictures; PyTorch's, and those of libraries with devices, have the channels first."""
        count, dtype = len(x), self.dtype or "float32"
        dataset = self.dataset(x) if backend_of(x).host else Samples(x, range(count), dtype)
        return self._place(dataset.batch(range(count))[0])

    def _placed(self, values: Any, name: str = "images") -> Any:
        """Arrays of any library, and lists of labels, as a Tensor beside the model; all else as it is."""
        listed = name == "labels" and isinstance(values, list)
        if isinstance(values, Tensor) or not (listed or is_array(values)):
            return values
        if is_array(values) and backend_of(values) is self.backend:
            return Tensor(values)
        return self._place(host_array(values, name))

    def _place(self, array: Any) -> Tensor:
        if self.backend is None or self.backend.host:
            return Tensor(array)
        return Tensor(self.backend.asarray(array, array.dtype, self.device))

    def _float(self, x: Any) -> Any:
        """Floating-point numbers in the model's dtype."""
        if self.dtype is None or not isinstance(x, Tensor) or not is_floating(x.dtype):
            return x
        return x if dtype_name(x.dtype) == self.dtype else x.to(dtype=self.dtype)

    # -- targets ---------------------------------------------------------------------------------------------

    def target(self, output: Any, target: Any) -> Any:
        """The targets as the loss takes them beside the model's output.

        Raises
        ------
        ValueError
            The first time, if the targets of this batch, or labels of the datasets, do not fit the output.
        """
        array = target.array if isinstance(target, Tensor) else None
        if array is not None and (array.dtype, array.ndim) in self._kept_targets:
            return target
        if not self._settled:
            self._settled = True
            for loader in self.loaders:
                for targets in self._targets(loader) if self.kind is not None else ():
                    settle(self.kind, output, targets)
                if (isinstance(loader, DataLoader) and self.kind is not None and self.kind.classes
                        and isinstance(output, Tensor) and output.ndim > 1):
                    loader.expect_labels(output.shape[1], self.kind.ignore_index)
            if isinstance(target, Tensor):
                settle(self.kind, output, target, None if self._weighted else self.loss)
        new = fitted(self.kind, output, target)
        if new is target and array is not None:
            self._kept_targets.add((array.dtype, array.ndim))
        return new

    # -- prediction ------------------------------------------------------------------------------------------

    def inputs(self, images: Any, batch_size: int) -> Iterator[Tensor]:
        """Batches of inputs, in order, of whatever `predict` takes."""
        for batch in self._parts(images, batch_size):
            x = self.input(batch)
            learnt = self.learnt
            if learnt is not None and isinstance(x, Tensor) and tuple(x.shape) in _single(learnt):
                raise ValueError(f"this is one input of shape {tuple(x.shape)}, and not a batch of them; "
                                 "give it an axis in front, as in image[None]")
            yield x

    def _ready(self, images: Any) -> bool:
        """Whether an array is on the model's device, where the model takes it without a way over the host."""
        if self.backend is None or self.backend.host or not self.backend.owns(images):
            return False
        return images.ndim == 4 and is_floating(images.dtype) and (
            channels_last(images.shape, channels=self.channels) is False)

    def _ready_on_host(self, dataset: ArrayDataset) -> bool:
        """Whether checked arrays are what the model takes, so that its batches need no copies."""
        data, host = dataset.data, self.backend is None or self.backend.host
        return host and data.ndim == 4 and data.dtype.name == self.dtype and data.flags.c_contiguous

    def _parts(self, images: Any, batch_size: int) -> Iterator[Any]:
        if is_array(images) and not isinstance(images, Tensor) and self._ready(images):
            images = Tensor(images)
        if isinstance(images, Tensor):
            for start in range(0, images.shape[0], batch_size):
                yield images[start:min(start + batch_size, images.shape[0])]
            return
        if isinstance(images, Mapping) or (isinstance(images, tuple) and _is_pair(images)):
            images = input_of(images)
        if is_pillow(images):
            images = [images]
        if is_loader(images):
            if isinstance(images, DataLoader) and (images.shuffle or images.given_sampler is not None):
                raise ValueError("the loader shuffles or samples, so predictions would be in an order that "
                                 "nobody knows; give a loader with shuffle=False, or the dataset")
            yield from map(_images_of, plain(images))
            return
        if isinstance(images, TensorDataset):
            yield from (x for x, _ in DataLoader(images, batch_size))
            return
        if _is_dataset(images):
            loader = DataLoader(images, batch_size, collate_fn=None if _has_labels(images) else _unlabelled)
        elif is_stream(images) and not is_array_like(images):
            loader = DataLoader(images, batch_size, collate_fn=_unlabelled)
        else:
            dataset = self.dataset(images)
            if isinstance(dataset, ArrayDataset) and self._ready_on_host(dataset):
                yield from self._parts(Tensor(dataset.data), batch_size)
                return
            loader = DataLoader(dataset, batch_size)
        yield from (self._place(x) for x, _ in loader.numpy_batches())


def _images_of(batch: Any) -> Any:
    """The images of a batch as a loader gives it: with labels or without."""
    return batch[0] if isinstance(batch, list) and batch else input_of(batch)


def _single(learnt: InputFormat) -> tuple[tuple[int, ...], ...]:
    """The shapes of one input without the axis of a batch."""
    return (learnt.shape, learnt.shape[1:]) if learnt.channels == 1 else (learnt.shape,)


def _is_pair(images: tuple) -> bool:
    """Whether a tuple is (images, labels) and not two images."""
    if len(images) != 2 or not all(map(is_array, images)):
        return False
    return tuple(images[0].shape) != tuple(images[1].shape)


def _is_dataset(images: Any) -> bool:
    """Whether these are samples one by one: a dataset, or a list of pairs or mappings."""
    if not description.indexed(images) or is_array_like(images):
        return False
    if not isinstance(images, list | tuple):
        return True
    return len(images) > 0 and (isinstance(images[0], tuple | Mapping) or is_listed_pair(images[0]))


def _has_labels(dataset: Any) -> bool:
    """Whether a dataset can make its batches itself, because its samples are pairs with a label."""
    if not isinstance(dataset, Dataset):
        return False
    first: Any = dataset[0] if len(dataset) else None
    return isinstance(first, tuple) and len(first) == 2 and first[1] is not None


def _unlabelled(samples: list) -> tuple[Any, Any]:
    """A batch of images whose labels, if they have any, are left out."""
    return stack_images([input_of(sample) for sample in samples], range(len(samples))), None
