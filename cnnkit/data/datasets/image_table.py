"""Images whose labels stand in a CSV file."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath, PurePosixPath

import numpy as np

from cnnkit.data.contracts import Transform
from cnnkit.data.datasets.image_files import ImageFiles, checked_on_error
from cnnkit.data.filenames import printable
from cnnkit.data.image_cache import ImageCache
from cnnkit.data.image_file import image_files, shortened
from cnnkit.data.label_table import LabelRow, class_numbers, read_label_table
from cnnkit.data.parts import part_of_name
from cnnkit.storage import FormatError

__all__ = ["ImageTable"]


class ImageTable(ImageFiles):
    """Images in a folder, with a CSV file that has the file names and the labels.

    Parameters
    ----------
    table : path
        Separated by commas, semicolons or tabs, in UTF-8, with headings such as ``filename,label`` or
        ``id;class`` (`cnnkit.data.label_table`).
    root : path, optional
        Where the images are; by default the table's folder. A name is a path in it, or the name of a file at
        any depth, with or without its ending, if there is only one such file.
    transform, size, mode, on_error, cache
        See `ImageFolder`. Images that are not there count as damaged ones.
    part : {"train", "test", "validation"}, optional
        Take only the rows whose column ``split`` says so, in whatever spelling; by default all rows.
    file_column, label_column, split_column : str, optional
        The headings, where they are not usual ones.
    classes : sequence of str, optional
        The labels in the order of their numbers; by default all that the table has (in any part), numbers
        sorted as numbers, texts as texts: the labels 1, 2, 3 become 0, 1, 2.

    Attributes
    ----------
    classes : tuple of str
        The names of the labels 0, 1, ...
    samples : list of (Path, int)
        Each image's file and label, in the table's order; a row that is there twice counts once.
    targets : ndarray of int64
        The labels.
    image_size, corrupt
        See `ImageFolder`.

    Raises
    ------
    FileNotFoundError
        If there is no such table or folder.
    ValueError
        If the columns cannot be told, images are not there, a name fits several files, an image has two
        labels, or for what `ImageFolder` raises it: the message names lines and files.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("1.png", "2.png"):
    ...         Image.new("L", (32, 24)).save(Path(root) / name)
    ...     _ = (Path(root) / "labels.csv").write_text("image,species\\n1.png,rose\\n2,tulip\\n")
    ...     data = ImageTable(Path(root) / "labels.csv", label_column="species")
    ...     data.classes, data.targets.tolist(), data.image_shape
    (('rose', 'tulip'), [0, 1], (1, 24, 32))
    """

    def __init__(self, table: str | os.PathLike[str], root: str | os.PathLike[str] | None = None,
                 transform: Transform | None = None, size: int | Sequence[int] | None = None,
                 mode: str | None = None, *, part: str | None = None, file_column: str | None = None,
                 label_column: str | None = None, split_column: str | None = None,
                 classes: Sequence[str] | None = None, on_error: str = "raise",
                 cache: int | str | os.PathLike[str] | ImageCache | None = None):
        checked_on_error(on_error)
        path = Path(table)
        folder = path.parent if root is None else Path(root)
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {printable(path)}")
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no folder {printable(folder)}")
        rows = read_label_table(path, file_column, label_column, split_column)
        self.classes: tuple[str, ...] = class_numbers([printable(row.label) for row in rows])
        if classes is not None:
            unknown = [name for name in self.classes if name not in classes]
            if unknown:
                raise ValueError(f"{printable(path)} has labels that are none of the classes "
                                 f"{', '.join(classes)}: {', '.join(unknown)}")
            self.classes = tuple(classes)
        samples, missing = _located(path, folder, rows if part is None else _rows_of(path, rows, part))
        if missing and on_error == "raise":
            lines = [f"line {row.line}: {printable(row.name)}" for row in missing]
            raise FormatError(f"{printable(path)} names images that are not in {printable(folder)}: "
                              f"{shortened(lines)}; correct the names, give root=, or leave them out with "
                              'on_error="skip"')
        number = {name: n for n, name in enumerate(self.classes)}
        absent = [(folder / row.name, f"{printable(folder / row.name)} is not there") for row in missing]
        super().__init__(folder, [(file, number[printable(label)]) for file, label in samples], transform,
                         size, mode, on_error, cache, absent)
        self.targets: np.ndarray = np.array([label for _, label in self.samples], np.int64)


def _rows_of(path: Path, rows: Sequence[LabelRow], part: str) -> list[LabelRow]:
    """The rows of a part."""
    if rows[0].split is None:
        raise ValueError(f"part={part!r}: {printable(path)} has no column that says which part a row belongs "
                         "to; name it with split_column=")
    chosen = []
    for row in rows:
        found = part_of_name(row.split or "")
        if found is None:
            raise FormatError(f"{printable(path)}, line {row.line}: {printable(row.split or '')} is neither "
                              "train, test nor validation")
        if found == part:
            chosen.append(row)
    if not chosen:
        raise ValueError(f"part={part!r}: {printable(path)} has no such rows")
    return chosen


def _located(path: Path, folder: Path,
             rows: Sequence[LabelRow]) -> tuple[list[tuple[Path, str]], list[LabelRow]]:
    """The file and label of each row, and the rows whose file is not there."""
    find, missing = _finder(path, folder), []
    found: dict[Path, LabelRow] = {}
    for row in rows:
        file = find(row)
        if file is None:
            missing.append(row)
        elif file in found and found[file].label != row.label:
            raise FormatError(f"{printable(path)}, lines {found[file].line} and {row.line}: "
                              f"{printable(file)} has two labels, {printable(found[file].label)} and "
                              f"{printable(row.label)}")
        else:
            found[file] = row
    return [(file, row.label) for file, row in found.items()], missing


def _finder(path: Path, folder: Path) -> Callable[[LabelRow], Path | None]:
    """A function that finds a row's file: by its path, else by its name, with or without ending and case."""
    ways: tuple[Callable[[PurePath], str], ...] = (
        PurePath.as_posix, lambda inside: inside.with_suffix("").as_posix(),
        lambda inside: inside.name, lambda inside: inside.stem)
    exact, caseless = ([defaultdict[str, list[Path]](list) for _ in ways] for _ in range(2))

    def find(row: LabelRow) -> Path | None:
        name = row.name.replace("\\", "/")
        if os.path.isfile(folder / name):  # also of a name that is too long
            return folder / name
        if not exact[0]:
            for file in image_files(folder):
                for way, by_name, by_lower in zip(ways, exact, caseless):
                    key = way(file.relative_to(folder))
                    by_name[key].append(file)
                    by_lower[key.lower()].append(file)
        last = PurePosixPath(name).name
        for index, wanted in [*zip(exact, (name, name, last, last)),
                              *zip(caseless, (name.lower(), name.lower(), last.lower(), last.lower()))]:
            files = index.get(wanted, ())
            if len(files) > 1:
                raise FormatError(f"{printable(path)}, line {row.line}: {printable(row.name)} may be "
                                  f"{printable(files[0])} or {printable(files[1])}; name its path")
            if files:
                return files[0]
        return None

    return find
