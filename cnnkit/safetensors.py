"""Safetensors files: Tensors of any backend to a file and back.

The format cannot hold code, so reading a file never runs any.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as parse
from safetensors.numpy import save as serialise

from cnnkit.atomic import write_atomically
from cnnkit.autograd import Tensor, tensor

__all__ = ["from_bytes", "load_file", "save_file", "to_bytes", "with_ending"]


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
    return write_atomically(Path(path), to_bytes(tensors, metadata))


def load_file(path: str | os.PathLike, backend: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or is no safetensors file.
    """
    arrays = from_bytes(Path(path).read_bytes(), path)
    return {name: tensor(value, backend=backend) for name, value in arrays.items()}


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
