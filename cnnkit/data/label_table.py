"""Tables of labels: CSV files with a column of file names and one of labels, under whatever names."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cnnkit.data.filenames import printable
from cnnkit.data.image_file import FORMATS
from cnnkit.storage import FormatError, limits, read_bytes

__all__ = ["LabelRow", "class_numbers", "read_label_table"]

# the headings that are looked for, the likeliest first; compared without case, spaces, "_" and "-"
_FILE = ("filename", "file", "filepath", "path", "image", "imagename", "imagepath", "imagefile", "img",
         "imgname", "imgpath", "imageid", "id", "name")
_LABEL = ("label", "labels", "class", "classname", "target", "category", "labelname", "categoryname",
          "classid", "categoryid", "y")
_SPLIT = ("split", "subset", "partition", "part", "set", "dataset", "usage")


class LabelRow(NamedTuple):
    """A row of a table."""

    line: int
    """Where it ends, counted from 1."""
    name: str
    """Of the file, as the table has it."""
    label: str
    split: str | None
    """What the table says of the part it belongs to, where it has such a column."""


def read_label_table(path: Path, file_column: str | None = None, label_column: str | None = None,
                     split_column: str | None = None) -> list[LabelRow]:
    """The rows of a CSV file that is separated by commas, semicolons or tabs.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte order mark. Bytes of a file name that are no UTF-8 stay as they are.
    file_column, label_column, split_column : str, optional
        The headings of the columns; by default the first that is called as such columns often are. A table of
        two columns may have none, if its first entry ends as an image file's name does.

    Raises
    ------
    FormatError
        A ValueError: if the columns cannot be told, an entry is missing, or there are no rows; the message
        names the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.csv").write_text("id;Class name\\n17.png;cat\\n")
    ...     read_label_table(Path(folder) / "a.csv")
    [LabelRow(line=2, name='17.png', label='cat', split=None)]
    """
    content = read_bytes(path, limits.limit("text_bytes"))
    if b"\0" in content:
        raise FormatError(f"{printable(path)} is no CSV file in UTF-8: it holds zero bytes; save it as UTF-8")
    text = content.decode("utf-8-sig", "surrogateescape")
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise FormatError(f"{printable(path)}, line {reader.line_num}: {error}") from None
    rows = [(line, row) for line, row in rows if any(row)]
    if not rows:
        raise FormatError(f"{printable(path)} is empty")
    heading = rows[0][1]
    file = _column(path, heading, "file_column", file_column, _FILE)
    label = _column(path, heading, "label_column", label_column, _LABEL)
    split = _column(path, heading, "split_column", split_column, _SPLIT)
    if file is None and label is None and len(heading) == 2 and Path(heading[0]).suffix.lower() in FORMATS:
        file, label = 0, 1
    else:
        rows = rows[1:]
    if file is None or label is None:
        missing = "file_column=" if file is None else "label_column="
        raise FormatError(f"{printable(path)} has the columns {', '.join(map(printable, heading))}; say with "
                         f"{missing} which one has the {'file names' if file is None else 'labels'}")
    if not rows:
        raise FormatError(f"{printable(path)} has no rows below its headings")
    table = []
    for line, row in rows:
        cells = [row[n] if n is not None and n < len(row) else "" for n in (file, label, split)]
        for what, cell in zip(("file name", "label", "part"), cells if split is not None else cells[:2]):
            if not cell:
                raise FormatError(f"{printable(path)}, line {line} has no {what}; complete or remove it")
        table.append(LabelRow(line, cells[0], cells[1], cells[2] if split is not None else None))
    return table


def _column(path: Path, heading: Sequence[str], argument: str, wanted: str | None,
            usual: Sequence[str]) -> int | None:
    """Which column has a heading, the one wanted or a usual one."""
    if wanted is not None:
        if wanted not in heading:
            raise FormatError(f"{argument}={wanted!r}: {printable(path)} has the columns "
                             f"{', '.join(map(printable, heading))}")
        return heading.index(wanted)
    names = ["".join(letter for letter in name.lower() if letter.isalnum()) for name in heading]
    return next((names.index(name) for name in usual if name in names), None)


def class_numbers(labels: Sequence[str]) -> tuple[str, ...]:
    """The classes that labels name, in the order of their numbers; numbers sort as numbers, texts as texts.

    >>> class_numbers(["dog", "cat", "dog"]), class_numbers(["10", "2", "1"])
    (('cat', 'dog'), ('1', '2', '10'))
    """
    distinct = sorted(set(labels))
    if all(label.removeprefix("-").isdecimal() and len(label) < 1000 for label in distinct):
        distinct.sort(key=int)
    return tuple(distinct)
