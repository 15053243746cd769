"""Checkpoint files: a run's whole state, written so that a crash never damages an earlier checkpoint.

A checkpoint is ``checkpoint-000042.safetensors`` (every Tensor) and ``checkpoint-000042.json`` (all else,
with the SHA-256 checksums of both). Each file is written under a temporary name, flushed to the disk and
renamed; the JSON file comes last, so a checkpoint without it was never finished.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cnnkit
from cnnkit import storage
from cnnkit.autograd import Tensor
from cnnkit.safetensors import from_bytes, to_bytes
from cnnkit.storage import FormatError, limits
from cnnkit.train.tree import join, split

__all__ = ["CheckpointError", "CheckpointWarning", "LoadedCheckpoint", "newest", "numbered", "read", "remove",
           "unreadable", "write"]

FORMAT = 1
NAME = "checkpoint-"


class CheckpointError(OSError):
    """A checkpoint could not be written. Nothing is lost: `state` has the run; older checkpoints are whole.

    Attributes
    ----------
    state : dict
        The run's state: ``fit(..., resume=error.state)`` goes on from it, `save` writes it to another folder.
    """

    def __init__(self, message: str, state: dict[str, Any]):
        super().__init__(message)
        self.state = state

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the state to another folder, to go on from there with ``fit(..., resume=folder)``."""
        return write(Path(folder), 1, self.state)


class CheckpointWarning(RuntimeWarning):
    """A damaged checkpoint was ignored, or a run goes on from one whose settings or circumstances differ."""


class LoadedCheckpoint(NamedTuple):
    """A checkpoint that was read."""

    path: Path
    state: dict[str, Any]


def write(folder: Path, number: int, state: Mapping[str, Any]) -> Path:
    """Write a checkpoint and return its JSON file.

    Raises
    ------
    CheckpointError
        If it cannot be written: the disk is full, or the folder is read-only. Its parts are removed.
    """
    outline, tensors = split(state)
    data = to_bytes(tensors, None)
    digest = hashlib.sha256(data).hexdigest()
    content = {"format": FORMAT, "cnnkit": cnnkit.__version__, "tensors": digest, "state": outline}
    text = json.dumps({"sha256": _digest(content), **content}, indent=1, allow_nan=False)
    settings = folder / f"{NAME}{number:06}.json"
    weights = settings.with_suffix(".safetensors")
    try:
        storage.make_folder(folder)
        storage.write(weights, data)
        storage.write(settings, text.encode())
    except OSError as error:
        with contextlib.suppress(OSError):
            remove(settings)
        raise CheckpointError(f"the checkpoint {settings} could not be written ({error.strerror or error}): "
                              "free some space or name a folder that can be written to. "
                              "Nothing is lost: checkpoints before it are whole",
                              join(outline, _tensors(data, weights))) from error
    return settings


def read(path: Path) -> LoadedCheckpoint:
    """Read a checkpoint by its JSON file.

    Raises
    ------
    FormatError
        A ValueError: if it is truncated, altered, incomplete, or of another format; the message names it.
    """
    try:
        content = json.loads(storage.read_bytes(path, limits.limit("model_bytes")))
        digest, file_format, tensors = content.pop("sha256"), content["format"], content["tensors"]
        altered = digest != _digest(content)
    except FormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is no whole checkpoint ({type(error).__name__}: {error})") from error
    if altered:
        raise FormatError(f"{path} has been altered since it was written: its SHA-256 checksum differs")
    if file_format != FORMAT:
        raise FormatError(f"{path} has format {file_format!r}; this version of cnnkit reads format {FORMAT}")
    weights = path.with_suffix(".safetensors")
    if not weights.is_file():
        raise FormatError(f"{path} lacks its Tensors, {weights.name}")
    data = storage.read_bytes(weights, limits.limit("model_bytes"))
    if hashlib.sha256(data).hexdigest() != tensors:
        raise FormatError(f"{weights} has been cut off or altered since it was written: "
                          "its SHA-256 checksum differs")
    try:
        state = join(content["state"], _tensors(data, weights))
        if not isinstance(state, dict):
            raise TypeError(f"it is a {type(state).__name__}")
    except FormatError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} holds no state of a run ({type(error).__name__}: {error})") from error
    return LoadedCheckpoint(path, state)


def newest(folder: Path) -> LoadedCheckpoint | None:
    """The newest whole checkpoint in a folder, or ``None`` where there is none at all.

    A newer one that is damaged, or cannot be read, is named in a CheckpointWarning.

    Raises
    ------
    FormatError
        A ValueError: if there are checkpoints and every one is damaged or unreadable.
    """
    errors = []
    for path in reversed(numbered(folder)):
        try:
            checkpoint = read(path)
        except (OSError, ValueError) as error:  # a bad sector, a folder, a link to nothing; or damaged
            errors.append(str(error))
            continue
        if errors:
            warnings.warn(f"{'; '.join(errors)}. Going on from the one before it, {path}",
                          CheckpointWarning, stacklevel=2)
        return checkpoint
    if errors:
        raise FormatError(f"no checkpoint in {folder} can be used: {'; '.join(errors)}. "
                          "Remove them to start from the beginning")
    return None


def unreadable(paths: Sequence[Path], keep: int) -> set[Path]:
    """Which checkpoints, the oldest first, cannot be used; looks back to the newest `keep` whole ones."""
    damaged: set[Path] = set()
    for number, path in enumerate(reversed(paths), 1):
        try:
            read(path)
        except (OSError, ValueError):
            damaged.add(path)
        if number - len(damaged) == keep:
            break
    return damaged


def numbered(folder: Path) -> list[Path]:
    """The JSON files of the checkpoints in a folder, the oldest first."""
    return sorted(path for path in folder.glob(f"{NAME}*.json") if path.stem[len(NAME):].isdigit())


def remove(path: Path) -> None:
    """Remove a checkpoint; the JSON file first, so that no checkpoint is ever incomplete."""
    path.unlink(missing_ok=True)
    path.with_suffix(".safetensors").unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove the incomplete checkpoints of killed processes."""
    for path in (*folder.glob(f".{NAME}*"), *folder.glob(f"{NAME}*.safetensors")):
        if path.name.startswith(".") or not path.with_suffix(".json").exists():
            path.unlink(missing_ok=True)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    return {name: Tensor(array) for name, array in from_bytes(data, path).items()}
