"""`load`: a file with weights, of whichever format, as Tensors and plain containers."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from typing import IO, Any, Protocol, runtime_checkable

from cnnkit import storage
from cnnkit.backends import device
from cnnkit.safetensors import tensors_from_bytes
from cnnkit.serialization.archives import check_result, is_old, is_tar, is_zip, read_old, read_zip
from cnnkit.serialization.opcodes import Refused
from cnnkit.serialization.storages import Views
from cnnkit.storage import FormatError, limits

__all__ = ["load"]

Location = str | device | Mapping[str, Any] | Callable[[Any, str], Any] | None


@runtime_checkable
class Readable(Protocol):
    """A file object to read from."""

    def read(self, size: int = -1, /) -> Any:
        """At most so many bytes."""


def load(f: str | os.PathLike[str] | IO[bytes], map_location: Location = None,
         weights_only: bool = True) -> Any:
    """Read what PyTorch's ``torch.save`` or `cnnkit.save` wrote, or a safetensors file. No code is run.

    Parameters
    ----------
    f : path, or binary file object
        A ``.pt`` or ``.pth`` file, a zip archive or of the form before PyTorch 1.6; or a safetensors file,
        and so also what `cnnkit.models.save_model` wrote. What it begins with says which, not its name.
    map_location : str, device, mapping or callable, optional
        Where Tensors are made: a device; a mapping from those in the file (``{"cuda:0": "cpu"}``); or
        PyTorch's ``lambda storage, location: storage``. By default the backend in use, wherever they were.
    weights_only : bool
        As PyTorch's; ``False`` is refused, because it would run code.

    Returns
    -------
    object
        Tensors, `nn.Parameter`, dicts (`OrderedDict`, with ``_metadata``), lists, tuples, sets, numbers,
        text, bytes, dtypes and devices, as they were saved. Of a safetensors file, and of a model's, the dict
        of its Tensors: `cnnkit.models.load_model` makes the model again. Dtypes are those of
        `cnnkit.safetensors.load_file`: what the backend lacks is read as float32.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if the file is damaged, of another format, or larger than the limits say
        (`cnnkit.storage.limits`); or if it holds anything else, which the message names.
    ValueError
        If ``weights_only=False``.

    Notes
    -----
    Tensors that share memory in PyTorch have the same values here, each in memory of its own; the same Tensor
    by two names stays one.

    >>> import io
    >>> import cnnkit
    >>> file = io.BytesIO()
    >>> cnnkit.save({"weight": cnnkit.tensor([1.0, 2.0]), "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> cnnkit.load(file)
    {'weight': tensor([1., 2.]), 'epoch': 3}
    """
    if weights_only is not True:
        raise ValueError("cnnkit.load never runs code from a file: only weights_only=True is possible. Where "
                         "you trust the file, open it with PyTorch and save model.state_dict()")
    where, data = _contents(f)
    place = _placing(map_location)
    views = Views(where, len(data), place)
    if data[8:9] == b"{" or not (is_zip(data) or is_old(data) or is_tar(data)):
        return _safetensors(data, where, place)  # whose first 8 bytes are a length, and may be anything
    try:
        if is_tar(data):
            raise Refused("it is a tar archive, PyTorch's form before version 0.1.10, which is not read: "
                          "open it with PyTorch and save it again")
        value = read_zip(data, views) if is_zip(data) else read_old(data, views)
        check_result(value)
    except FormatError as error:
        if str(error).startswith(where):
            raise
        raise FormatError(f"{where} cannot be read: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, struct.error,
            RecursionError) as error:
        raise FormatError(f"{where} is no whole PyTorch file ({type(error).__name__}: {error}); copy or save "
                          "it again") from error
    return value


def _contents(f: Any) -> tuple[str, bytes]:
    """What to call a file in messages, and its bytes."""
    if isinstance(f, str | os.PathLike):
        with storage.open_regular(f) as file:
            limits.check("model_bytes", os.fstat(file.fileno()).st_size, os.fspath(f))
            return str(os.fspath(f)), file.read()
    data = f.read(limits.limit("model_bytes") + 1) if isinstance(f, Readable) else None
    if not isinstance(data, bytes):
        raise TypeError("cnnkit.load takes a path, or a file object that gives bytes, such as "
                        f"open(path, 'rb'); got a {type(f).__name__}")
    limits.check("model_bytes", len(data), "the file object")
    return "the file object", data


def _safetensors(data: bytes, where: str, place: Callable[[str], Any]) -> dict[str, Any]:
    if len(data) < 10 or data[8:9] != b"{":
        raise FormatError(f"{where} is neither a PyTorch file nor a safetensors file: it begins with "
                          f"{data[:8]!r}")
    tensors, target = tensors_from_bytes(data, where), place("cpu")
    return tensors if target is None else {name: value.to(target) for name, value in tensors.items()}


class _Anywhere:
    """The storage that PyTorch's ``map_location(storage, location)`` gets, of which only the place counts."""

    def __init__(self, place: str = "cpu"):
        self.place = place

    def cpu(self) -> _Anywhere:
        return _Anywhere("cpu")

    def cuda(self, index: int | None = None) -> _Anywhere:
        return _Anywhere("cuda" if index is None else f"cuda:{index}")


def _placing(map_location: Location) -> Callable[[str], Any]:
    """A function from PyTorch's name of a place in the file to the device here; ``None``: the one in use."""
    if map_location is None or isinstance(map_location, str | device):
        target = None if map_location is None else device(map_location)
        return lambda location: target
    if isinstance(map_location, Mapping):
        places = {str(key): device(value) for key, value in map_location.items()}
        return places.get
    if not callable(map_location):
        raise TypeError("map_location is a device, a mapping of devices or a function; got a "
                        f"{type(map_location).__name__}")

    def called(location: str) -> Any:
        result = map_location(_Anywhere(), location)
        return device(result.place if isinstance(result, _Anywhere) else result)
    return called
