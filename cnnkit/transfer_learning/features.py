"""What a layer inside a network makes of images: as a network, and as a data set that is kept on a disk."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit import nn, safetensors, storage
from cnnkit.autograd import Tensor
from cnnkit.data import Subset
from cnnkit.data.arrays import Samples
from cnnkit.data.fingerprint import fingerprint
from cnnkit.evaluation.contracts import Data
from cnnkit.evaluation.evaluate import batches, evaluating, plain
from cnnkit.evaluation.intake import Intake
from cnnkit.train.describe import describe

__all__ = ["Features", "features_at"]


class _Reached(Exception):
    """Leaves a network where its features are known."""

    def __init__(self, output: Any):
        super().__init__("a layer was reached")
        self.output = output


class Features(nn.Module):
    """A network up to one of its layers; `features_at` makes it.

    It holds the network itself, no copy of it, so that what learns in one has learnt in the other.

    Parameters
    ----------
    model : Module
    layer : str
        The dotted name of one of its modules.
    pool : bool
        Average maps (N, C, H, W) over all pixels: (N, C).
    """

    layer: str
    pool: bool
    model: nn.Module

    def __init__(self, model: nn.Module, layer: str, pool: bool = False):
        super().__init__()
        model.get_submodule(layer)  # which says what there is
        self.model, self.layer, self.pool = model, layer, pool
        self.input_format: Any = model.input_format

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output; what comes behind it is not computed."""
        def leave(module: nn.Module, inputs: tuple, output: Any) -> None:
            raise _Reached(output)

        handle = self.model.get_submodule(self.layer).register_forward_hook(leave)
        try:
            self.model(x)
        except _Reached as reached:
            output = reached.output
        else:
            raise RuntimeError(f"{type(self.model).__name__} did not call its layer {self.layer!r}")
        finally:
            handle.remove()
        return output.mean(dim=tuple(range(2, output.ndim))) if self.pool and output.ndim > 2 else output

    def dataset(self, data: Data, *, batch_size: int = 64,
                cache: str | os.PathLike[str] | None = None) -> Samples:
        """The features of data, and their labels, in evaluation mode: what a small head can learn from.

        Parameters
        ----------
        data : dataset, loader, or (images, labels)
            As `cnnkit.train.evaluate` takes them. Their transform must give the same each time.
        batch_size : int
            Images at a time, where `data` is no loader.
        cache : path, optional
            A folder in which the features are kept, in a file whose name is a checksum of the images, the
            network's weights and the layer: with any other they are computed anew.

        Returns
        -------
        Samples
            A dataset of arrays (...) in host memory, with ``inputs`` (N, ...) and ``targets``.

        Raises
        ------
        ValueError
            With `cache`, for data whose fingerprint is not known without computing all of them (loaders and
            classes of one's own).

        Warns
        -----
        UserWarning
            If a cached file is damaged, and is made anew.
        """
        file = None if cache is None else Path(cache) / f"{self._checksum(data)}.safetensors"
        if file is not None and file.is_file():
            try:
                saved = safetensors.from_bytes(safetensors.file_bytes(file), file)
                return Samples(saved["features"], saved["labels"], saved["features"].dtype.name)
            except (storage.FormatError, KeyError, ValueError) as error:
                warnings.warn(f"features are computed anew, because {file} cannot be used: {error}",
                              stacklevel=2)
        intake = Intake(self)
        outputs, labels = [], []
        with evaluating(self):
            for batch in plain(batches(data, batch_size, intake=intake)):
                x, y, *_ = intake.read(batch)
                outputs.append(self(x).detach().numpy())
                labels.append(y.detach().numpy())
        features, targets = np.concatenate(outputs), np.concatenate(labels)
        if file is not None:
            storage.make_folder(file.parent)
            safetensors.save_file({"features": Tensor(features), "labels": Tensor(targets)}, file)
        return Samples(features, targets, features.dtype.name)

    def _checksum(self, data: Data) -> str:
        dataset = Intake(self).dataset(*data) if isinstance(data, tuple) else data
        known = fingerprint(dataset)
        if known is None:
            raise ValueError(f"features of a {type(data).__name__} cannot be cached, because whether it is "
                             "the same the next time is not known; give arrays, an ArrayDataset or an "
                             "ImageFolder")
        while isinstance(dataset, Subset):
            dataset = dataset.dataset
        transform = describe(vars(dataset).get("transform"))
        digest = hashlib.sha256(f"{known} {transform} {self.layer} {self.pool}".encode())
        for name, value in self.model.state_dict(keep_vars=True).items():
            digest.update(f"{name} {value.dtype} {value.shape}".encode() + value.detach().numpy().tobytes())
        return digest.hexdigest()


def features_at(model: nn.Module, layer: str, *, pool: bool = False) -> Features:
    """The part of a network up to one of its layers, as a network.

    Parameters
    ----------
    model : Module
        It stays as it is.
    layer : str
        The dotted name of one of its modules, such as ``"layer3"``.
    pool : bool
        Average maps over all pixels.

    Raises
    ------
    AttributeError
        If the model has no module of this name; the message lists those there are.

    >>> import cnnkit
    >>> from cnnkit import models
    >>> features = features_at(models.resnet18(width_mult=0.125), "layer3")
    >>> features(cnnkit.zeros(1, 3, 64, 64)).shape
    (1, 32, 4, 4)
    """
    return Features(model, layer, pool)
