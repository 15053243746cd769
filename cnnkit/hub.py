"""``torch.hub``'s way to published weights, for model files that load theirs by URL."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from cnnkit import serialization, storage

__all__ = ["get_dir", "load_state_dict_from_url", "set_dir"]

_HASH = re.compile(r"-([a-f0-9]{8,64})\.")  # in PyTorch's names of files: the start of the SHA-256
_folder: list[Path] = []  # what `set_dir` was told last


def get_dir() -> str:
    """The folder of downloads, PyTorch's own: what PyTorch has downloaded is found.

    It is what `set_dir` said, or ``hub`` in ``$TORCH_HOME``, or ``torch/hub`` in ``$XDG_CACHE_HOME`` or
    ``~/.cache``.

    >>> from pathlib import Path
    >>> Path(get_dir()).name
    'hub'
    """
    return str(_folder[-1] if _folder else Path(_get_torch_home()) / "hub")


def _get_torch_home() -> str:
    """The folder above, by the name under which torchvision's files import it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser()
    return str(Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser())


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep downloads in this folder from now on."""
    _folder[:] = [Path(d).expanduser()]


def load_state_dict_from_url(url: str, model_dir: str | os.PathLike[str] | None = None,
                             map_location: Any = None, progress: bool = True,
                             check_hash: bool = False, file_name: str | None = None,
                             weights_only: bool = True) -> Any:
    """Read weights that were published at a URL; they are downloaded once.

    Parameters
    ----------
    url : str
        An ``https`` or ``http`` address.
    model_dir : path, optional
        The folder of the file; by default ``checkpoints`` in `get_dir`.
    map_location : str, device, mapping or callable, optional
        Where Tensors are made, as in `cnnkit.load`.
    progress : bool
        Accepted for PyTorch's sake: nothing is shown.
    check_hash : bool
        The file's name holds the beginning of its SHA-256, as in ``resnet18-f37072fd.pth``: compare it.
    file_name : str, optional
        The file's name; by default that of the URL.
    weights_only : bool
        Accepted for PyTorch's sake: no code of a file is ever run.

    Returns
    -------
    object
        What `cnnkit.load` reads from it, most often a dict of Tensors.

    Raises
    ------
    OSError
        If the file is not there and cannot be downloaded; the message says where to put it.
    ValueError
        If the checksum is another, or `cnnkit.load` refuses the file.

    Examples
    --------
    >>> url = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    >>> state = load_state_dict_from_url(url, check_hash=True)  # doctest: +SKIP
    """
    folder = Path(get_dir()) / "checkpoints" if model_dir is None else Path(model_dir).expanduser()
    name = file_name or Path(urlparse(url).path).name
    path = folder / name
    if not path.is_file():
        _download(url, path, _HASH.search(name) if check_hash else None)
    return serialization.load(path, map_location=map_location)


def _download(url: str, path: Path, expected: re.Match[str] | None) -> None:
    """Download a file whose SHA-256 begins as expected; one that does not is not kept."""
    import pooch
    storage.make_folder(path.parent)
    try:
        pooch.retrieve(url, None, fname=f"{path.name}.part", path=path.parent)
    except (OSError, ValueError) as error:
        raise OSError(f"{url} could not be downloaded ({type(error).__name__}: {error}); get the file "
                      f"another way and put it at {path}") from error
    part = path.with_name(f"{path.name}.part")
    if expected is not None:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not found.startswith(expected[1]):
            part.unlink()
            raise ValueError(f"{url}: the file's SHA-256 is {found}, and should begin with {expected[1]}")
    part.replace(path)
