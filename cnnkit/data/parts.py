"""The parts of a folder of images: which sub-folder is learnt from, which is held out, which is not read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from cnnkit.data.filenames import printable, subfolders
from cnnkit.data.image_file import image_files

__all__ = ["FolderParts", "folder_parts", "part_of_name"]

_PARTS = {"train": ("train", "training", "trn"), "test": ("test", "testing", "tst"),
          "validation": ("validation", "valid", "val", "dev", "development", "eval", "evaluation", "holdout",
                         "heldout")}
_ENDINGS = re.compile("(set|split|data|images|folder)$")


class FolderParts(NamedTuple):
    """The parts of a folder; printed, they say what was taken for what."""

    root: Path
    train: Path
    held_out: Path | None
    unread: tuple[Path, ...]
    """Folders of images that are neither: a validation part beside a test part, or unlabelled images."""

    def __str__(self) -> str:
        names = [f"learnt from: {printable(self.train.name)}"]
        if self.held_out is not None:
            names.append(f"held out: {printable(self.held_out.name)}")
        if self.unread:
            names.append(f"not read: {', '.join(printable(folder.name) for folder in self.unread)}")
        return f"{printable(self.root)}: {'; '.join(names)}"


def part_of_name(name: str) -> str | None:
    """ "train", "test" or "validation", where a name says that, in whatever spelling.

    >>> [part_of_name(name) for name in ("Train", "test_set", "VALID", "dev", "cat")]
    ['train', 'test', 'validation', 'validation', None]
    """
    word = _ENDINGS.sub("", re.sub("[ ._-]", "", name.lower()))
    return next((part for part, names in _PARTS.items() if word in names), None)


def folder_parts(root: Path) -> FolderParts | None:
    """The parts of a folder, by its sub-folders' names; ``None`` where none is for training.

    A part has class folders: a folder ``train`` that holds images is a class of that name. The test part is
    held out, or where there is none, the validation part.

    Raises
    ------
    ValueError
        If two sub-folders are the same part.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("Train/cat", "Train/dog", "Validation/cat"):
    ...         (Path(root) / name).mkdir(parents=True)
    ...     parts = folder_parts(Path(root))
    ...     parts.train.name, parts.held_out.name
    ('Train', 'Validation')
    """
    found: dict[str, Path] = {}
    others = []
    for folder in subfolders(root):
        part = part_of_name(folder.name)
        if part is None or not subfolders(folder):
            others.append(folder)
        elif part in found:
            raise ValueError(f"{printable(root)} has two folders for the {part} part, "
                             f"{printable(found[part].name)} and {printable(folder.name)}; "
                             "rename or remove one of them")
        else:
            found[part] = folder
    if "train" not in found:
        return None
    held_out = found.get("test", found.get("validation"))
    unread = [folder for part, folder in found.items() if part != "train" and folder != held_out]
    unread += [folder for folder in others if image_files(folder)]
    return FolderParts(root, found["train"], held_out, tuple(sorted(unread)))
