"""Everything that cnnkit keeps on a disk is written, read and locked here.

A file is written whole or not at all, is on the disk when `write` returns, and its temporary name cannot be
foreseen. Only regular files are read, what is wrong with one is a `FormatError`, and what it asks for is held
to `limits`. A `Lock` keeps a second process away from what a first one writes.
"""

from cnnkit.storage import limits
from cnnkit.storage.errors import FormatError
from cnnkit.storage.locking import Lock, Locked
from cnnkit.storage.private import private_folder
from cnnkit.storage.reading import open_regular, read_bytes, read_text
from cnnkit.storage.writing import append, make_folder, remove, sweep, write

__all__ = ["FormatError", "Lock", "Locked", "append", "limits", "make_folder", "open_regular",
           "private_folder", "read_bytes", "read_text", "remove", "sweep", "write"]
