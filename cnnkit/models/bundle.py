"""Bundles: Tensors and the settings that make something of them again, in one safetensors file.

One file is replaced as a whole, so no crash leaves weights beside the settings of others. The settings are
JSON in the file's header; other programs read the Tensors as those of any safetensors file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnnkit import storage
from cnnkit.autograd import Tensor
from cnnkit.safetensors import file_bytes, header_metadata, read_metadata, split, tensors_from_bytes, to_bytes
from cnnkit.storage import FormatError

__all__ = ["read_bundle", "read_settings", "write_bundle"]

KEY = "settings"  # in the header


def write_bundle(path: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Path:
    """Write Tensors and settings, whole or not at all; the file's folder is created.

    A checksum of the Tensors is kept in the settings, as ``"sha256"``.
    """
    body = split(to_bytes(tensors, None))[1]
    text = json.dumps({**settings, "sha256": hashlib.sha256(body).hexdigest()}, indent=1)
    storage.make_folder(path.parent)
    return storage.write(path, to_bytes(tensors, {"format": "cnnkit", KEY: text}))


def read_bundle(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The Tensors, on the backend in use, and the settings.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if it is damaged, or holds no settings.
    """
    data = file_bytes(path)
    settings = _settings(header_metadata(data, path), path)
    tensors = tensors_from_bytes(data, path)
    if settings.get("sha256") != hashlib.sha256(split(data)[1]).hexdigest():
        raise FormatError(f"{path} has been altered since it was saved: the SHA-256 checksum of its "
                          "Tensors differs from the one in its settings; save it again, or copy it again")
    return tensors, settings


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings of a saved model or estimator; its weights are not read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if its header is damaged, or holds no settings.

    >>> import tempfile
    >>> from cnnkit import models
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = models.save_model(models.CommonCNN((1, 8, 8)), f"{folder}/net", accuracy=0.97)
    ...     read_settings(path)["accuracy"]
    0.97
    """
    return _settings(read_metadata(path), path)


def _settings(metadata: Mapping[str, str], path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        settings = json.loads(metadata[KEY])
        if not isinstance(settings, dict):
            raise TypeError(f"they must be an object, not a {type(settings).__name__}")
    except KeyError:
        raise FormatError(f"{path} holds weights alone, and no settings that make a model of them: read "
                          "them with cnnkit.safetensors.load_file(path), and load_state_dict") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"{path} holds no settings that can be read ({type(error).__name__}: {error}); "
                          "save it again") from error
    return settings
