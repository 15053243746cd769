"""Safetensors files: Tensors of any backend to a file and back.

The format cannot hold code, so reading a file never runs any.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from cnnkit import storage
from cnnkit.autograd import Tensor, tensor

__all__ = ["from_bytes", "header_metadata", "load_file", "read_metadata", "save_file", "to_bytes",
           "with_ending"]


def save_file(tensors: Mapping[str, Tensor], path: str | os.PathLike,
              metadata: Mapping[str, str] | None = None) -> Path:
    """Write Tensors of any backend to a safetensors file, whole or not at all.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        A ``state_dict``.
    path : path
        The file to write; an existing one is replaced.
    metadata : mapping of str to str, optional
        Kept in the file's header.
    """
    return storage.write(Path(path), to_bytes(tensors, metadata))


def load_file(path: str | os.PathLike, backend: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or is no safetensors file.
    """
    arrays = from_bytes(storage.read_bytes(path), path)
    return {name: tensor(value, backend=backend) for name, value in arrays.items()}


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The texts in a safetensors file's header, by name; nothing else of the file is read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the header is damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_file({}, f"{folder}/none.safetensors", {"made by": "cnnkit"})
    ...     read_metadata(path)
    {'made by': 'cnnkit'}
    """
    return header_metadata(storage.read_bytes(path), path)


def header_metadata(data: bytes, path: str | os.PathLike) -> dict[str, str]:
    """The texts in the header of a file's bytes; errors name the `path` that they came from."""
    length = int.from_bytes(data[:8], "little")
    try:
        if not 2 <= length <= len(data) - 8:
            raise ValueError(f"its header would have {length:,} bytes")
        metadata = json.loads(data[8:8 + length]).get("__metadata__", {})
        if not all(isinstance(value, str) for value in metadata.values()):
            raise TypeError("its metadata must be texts")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is no whole safetensors file ({error}); save the model again") from error
    return metadata


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> bytes:
    """The bytes of a file of these Tensors."""
    arrays = {name: value.numpy().copy(order="C") for name, value in tensors.items()}
    return serialise(arrays, dict(metadata) if metadata else None)


def from_bytes(data: bytes, path: str | os.PathLike) -> dict[str, Any]:
    """The NumPy arrays in a file's bytes; errors name the `path` that they came from."""
    try:
        return parse(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no whole safetensors file ({error}); save the model again") from error


def with_ending(path: str | os.PathLike) -> Path:
    """The path with the ending ``.safetensors``, which may have been left out.

    >>> with_ending("models/net.v1").name, with_ending("net.safetensors").name
    ('net.v1.safetensors', 'net.safetensors')
    """
    return Path(path) if Path(path).suffix == ".safetensors" else Path(f"{path}.safetensors")
