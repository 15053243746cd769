"""Weights that others have trained: where they come from, what pictures they want, and into a model."""

from __future__ import annotations

import builtins
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cnnkit import safetensors, storage
from cnnkit.autograd import Tensor
from cnnkit.data import InputFormat, Preprocessing
from cnnkit.models.known_weights import KNOWN, class_names
from cnnkit.nn import Module
from cnnkit.serialization import load

__all__ = ["Weights", "find", "get", "list", "load_into"]

DEFAULT = "DEFAULT"  # torchvision's word for the best there are
FOLDER = "weights"  # in CNNKIT_DATA and in the cache
CONTAINERS = ("state_dict", "model_state_dict", "model")  # where training scripts put the weights
WRAPPED = "module."  # how names begin in files of `nn.DataParallel`


@dataclass(frozen=True)
class Weights:
    """An entry: weights for one architecture, and all that is known of them.

    Attributes
    ----------
    name : str
        What ``models.NAME(weights=...)`` takes.
    architecture : str
        The function of `cnnkit.models` whose models they fit.
    file : str
        Its name, in the folder ``weights`` below ``CNNKIT_DATA`` or in the cache.
    sha256 : str
        Of the file, which is compared before anything is read.
    url, licence : str
        Where the numbers come from, and under which licence.
    accuracy : dict of str to float
        As `accuracy_source` states it: it was not measured here.
    accuracy_source : str
    preprocessing : Preprocessing
        What pictures go through first.
    parameters : int
        How many there are.
    keys : tuple of (str, str)
        How the file's names become the model's: see `safetensors.rename`.
    reverse : str or None
        The first convolution's filters, where they are put in reverse for RGB: see
        `safetensors.reverse_channels`.
    class_names_of : str
        ``"imagenet"`` or ``"cifar10"``.
    input_shape : (C, H, W)
        Of an image as the model got it in training.
    location : Path or None
        The file, where it was given by its path and has the right checksum.

    >>> weights = get("squeezenet1_1")
    >>> weights.architecture, weights.preprocessing.crop, weights.classes[967]
    ('squeezenet1_1', (224, 224), 'espresso')
    """

    name: str
    architecture: str
    file: str
    sha256: str
    url: str
    licence: str
    accuracy: Mapping[str, float]
    accuracy_source: str
    preprocessing: Preprocessing
    parameters: int
    keys: tuple[tuple[str, str], ...] = ()
    reverse: str | None = None
    class_names_of: str = "imagenet"
    input_shape: tuple[int, int, int] = (3, 224, 224)
    location: Path | None = None

    def preprocess(self, image: Any) -> Any:
        """One picture (path, Pillow image, uint8 array) as the model takes it: an array (C, H, W)."""
        return self.preprocessing(image)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the model's scores."""
        return class_names(self.class_names_of)

    def input_format(self) -> InputFormat:
        """What a model with these weights wants, as `Module.input_format` says it."""
        mean, std = self.preprocessing.of_unit()
        low = min(-m / s for m, s in zip(mean, std))
        high = max((1 - m) / s for m, s in zip(mean, std))
        return InputFormat(self.input_shape, low, high, mean, std, self.classes, self.preprocessing.resize,
                           self.preprocessing.channel_order, of_weights=True)

    def path(self) -> Path:
        """The file, whose checksum is right; it is `location`, if there is one.

        Raises
        ------
        FileNotFoundError
            If it is in none of the folders; the message says where to put it.
        FormatError
            A ValueError: if it is another file.
        """
        if self.location is not None:
            return self.location
        folders = [folder / FOLDER for folder in _bases()]
        found = next((folder / self.file for folder in folders if (folder / self.file).is_file()), None)
        if found is None:
            raise FileNotFoundError(
                f"the weights {self.name!r} are not here: put {self.file} (SHA-256 {self.sha256[:16]}..., "
                f"from {self.url}) into {' or '.join(map(str, folders))}; CNNKIT_DATA may name another "
                f"folder, with {FOLDER}/ in it")
        if _sha256(found) != self.sha256:
            raise storage.FormatError(f"{found} is not the file of the weights {self.name!r}: its SHA-256 "
                                      f"checksum is not {self.sha256}; give its path to load it all the same")
        return found

    def state_dict(self) -> dict[str, Tensor]:
        """The Tensors, by the model's names."""
        state = safetensors.rename(safetensors.load_file(self.path()), self.keys)
        return state if self.reverse is None else safetensors.reverse_channels(state, self.reverse)


def list() -> Any:  # the public name is cnnkit.models.weights.list()
    """Every entry: a list of `Weights`."""
    return [get(name) for name in KNOWN]


def get(name: str) -> Weights:
    """The entry of this name.

    Raises
    ------
    ValueError
        If there is none; the message lists the names.
    """
    if name not in KNOWN:
        raise ValueError(f"there are no weights {name!r}; there are {', '.join(KNOWN)}. A file is named by "
                         "its path, such as weights='net.safetensors'")
    return Weights(name=name, **KNOWN[name])


def find(weights: str | Weights | os.PathLike[str], model: Module | None = None) -> Weights | Path:
    """What ``weights=`` means: an entry, or a file.

    Parameters
    ----------
    weights : str, path or Weights
        The name of an entry, ``"DEFAULT"`` (the first entry that fits `model`), or a file.
    model : Module, optional
        What they are for.

    Raises
    ------
    ValueError
        If there is no such entry and no such file.
    """
    if isinstance(weights, Weights):
        return weights
    if weights == DEFAULT:
        return _default(model)
    if isinstance(weights, str) and weights in KNOWN:
        return get(weights)
    if isinstance(weights, str) and not Path(weights).suffix and not Path(weights).exists():
        return get(weights)  # which says what there is
    return Path(weights)


def load_into(model: Module, weights: str | Weights | os.PathLike[str] | Mapping[str, Tensor], *,
              strict: bool = True) -> safetensors.LoadReport:
    """Load weights into a model, and set what it wants of pictures as its ``input_format``.

    Parameters
    ----------
    model : Module
    weights : str, path, Weights, or mapping of str to Tensor
        As `find` takes it, files of PyTorch's among them (`cnnkit.load`); or a state dict. Of a file that an
        entry knows by its checksum, names and preprocessing are taken too, and the channels stay in the
        file's order.
    strict : bool
        Raise where anything does not match; else load what fits.

    Returns
    -------
    LoadReport

    Raises
    ------
    FileNotFoundError, FormatError
        As `Weights.path`; a file that is damaged is a FormatError too.
    RuntimeError
        If they do not fit; the message lists what does not.
    """
    if isinstance(weights, Mapping):
        return safetensors.load_into(model, weights, strict=strict)
    found = find(weights, model)
    entry = found if isinstance(found, Weights) else _known_file(found)
    if entry is None:
        assert isinstance(found, Path)
        return safetensors.load_into(model, _state(load(found), found), strict=strict)
    report = safetensors.load_into(model, entry.state_dict(), strict=strict)
    model.input_format = entry.input_format()
    return report


def _default(model: Module | None) -> Weights:
    count = -1 if model is None else sum(parameter.numel() for parameter in model.parameters())
    for name in KNOWN:
        if KNOWN[name]["parameters"] == count:
            return get(name)
    known = ", ".join(f"{name} (of {entry['architecture']})" for name, entry in KNOWN.items())
    kind = "" if model is None else f" for {type(model).__name__} with {count:,} parameters"
    raise ValueError(f"there are no weights{kind}; there are {known}")


def _known_file(path: Path) -> Weights | None:
    """The entry that a file is of, with the channels in the order that they have there."""
    candidates = [entry for entry in list() if entry.reverse is None]
    if path.suffix != ".safetensors" or not path.is_file():
        return None
    checksum = _sha256(path)
    return next((replace(entry, location=path) for entry in candidates if entry.sha256 == checksum), None)


def _state(loaded: Any, path: Path) -> Mapping[str, Tensor]:
    """The weights in what a file holds: training scripts put them beside other things."""
    container = next((loaded[name] for name in CONTAINERS if isinstance(loaded, Mapping)
                      and isinstance(loaded.get(name), Mapping)), loaded)
    if not isinstance(container, Mapping) or not container or not all(
            isinstance(value, Tensor) for value in container.values()):
        raise storage.FormatError(f"{path} holds no state dict, a mapping from names to Tensors; read it "
                                  "with cnnkit.load(path), and give the part of it that is one")
    names: builtins.list[str] = [*map(str, container)]
    if all(name.startswith(WRAPPED) for name in names):
        return {name.removeprefix(WRAPPED): value for name, value in container.items()}
    return container


def _bases() -> builtins.list[Path]:
    import pooch

    given = os.environ.get("CNNKIT_DATA")
    return [*([Path(given)] if given else []), Path(pooch.os_cache("cnnkit"))]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with storage.open_regular(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
