"""NumPy's files, .npy and .npz: first what a header promises against what is there, then memory."""

from __future__ import annotations

import math
import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from cnnkit.data.filenames import printable
from cnnkit.storage import FormatError, limits, open_regular

__all__ = ["Archive", "ArrayHead", "array_head", "open_archive", "read_body", "regular_file"]

_CHUNK = 1 << 22  # bytes that are read at a time
_FIX = "get the file again"


class ArrayHead(NamedTuple):
    """What the header of a .npy file says."""

    shape: tuple[int, ...]
    fortran: bool
    """Whether the first axis varies fastest."""
    dtype: np.dtype
    length: int
    """Bytes of the header."""

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def array_head(file: IO[bytes], what: str) -> ArrayHead:
    """Read a .npy header; `what` begins messages.

    Raises
    ------
    FormatError
        If it is damaged, or the array holds anything but numbers and text.
    """
    start = file.tell()
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise ValueError(f"version {version[0]}.{version[1]} of the format is not known")
        if min(shape, default=0) < 0:
            raise ValueError(f"shape {shape}")
    except Exception as error:  # NumPy parses the header as Python, and raises errors of many kinds
        raise FormatError(f"{what} is damaged ({_reason(error)}); {_FIX}") from None
    if dtype.hasobject:
        raise FormatError(f"{what} holds Python objects, which only a pickle can store, and cnnkit opens "
                          "none, for a pickle can run code; save it as numbers of one dtype")
    if dtype.kind not in "biufcSU":
        raise FormatError(f"{what} has the dtype {dtype}; save it as an array of one number type")
    return ArrayHead(tuple(map(int, shape)), bool(fortran), dtype, file.tell() - start)


def read_body(file: IO[bytes], head: ArrayHead, room: int, packed: int, what: str) -> np.ndarray:
    """The array that follows its header, in the machine's byte order.

    Parameters
    ----------
    file : file
        At the end of the header.
    head : ArrayHead
        The header.
    room : int
        How many bytes there are behind the header, as far as is known beforehand.
    packed : int
        How many bytes of the file these come from: fewer where they are compressed.
    what : str
        The beginning of messages.
    """
    if head.nbytes > room:
        raise FormatError(f"{what} is damaged (its shape {head.shape} needs {head.nbytes:,} bytes, and "
                          f"{room:,} are there); {_FIX}")
    limits.check("array_bytes", head.nbytes, what, file_size=packed)
    try:
        body = np.empty(head.nbytes, np.uint8)  # which takes memory as it is filled
        filled = 0
        while filled < head.nbytes:
            chunk = file.read(min(_CHUNK, head.nbytes - filled))
            if not chunk:
                raise EOFError(f"it ends after {filled:,} of {head.nbytes:,} bytes")
            body[filled:filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
            filled += len(chunk)
        file.read(1)  # at its end an archive checks the checksum
        array = body.view(head.dtype) if head.dtype.itemsize else np.empty(math.prod(head.shape), head.dtype)
        array = array.reshape(head.shape, order="F" if head.fortran else "C")
    except MemoryError:
        raise
    except Exception as error:  # decompressors raise errors of many kinds
        raise FormatError(f"{what} is damaged ({_reason(error)}); {_FIX}") from None
    return array.astype(array.dtype.newbyteorder("="), copy=False)


class Archive:
    """An open .npz file; `names` are those of its arrays."""

    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile, path: str | os.PathLike[str]):
        self._file, self._archive, self._name = file, archive, printable(path)
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self.names: list[str] = list(self._members)

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise FormatError(f"{self._name} has no array {name!r}, only "
                              f"{', '.join(map(printable, self.names))}")
        return self._members[name]

    def read(self, name: str) -> np.ndarray:
        """An array, in the machine's byte order; others are not decompressed."""
        member, what = self._member(name), f"{self._name}: array {name!r}"
        packed = min(member.compress_size, os.fstat(self._file.fileno()).st_size)
        try:
            stream = self._archive.open(member)
        except MemoryError:
            raise
        except Exception as error:  # zipfile raises errors of many kinds
            raise FormatError(f"{what} is damaged ({_reason(error)}); {_FIX}") from None
        with stream:
            head = array_head(stream, what)
            return read_body(stream, head, member.file_size - head.length, packed, what)

    def stored(self, name: str) -> tuple[ArrayHead, int] | None:
        """The header of an array and where its numbers begin in the file; ``None`` if it is compressed."""
        member, file, what = self._member(name), self._file, f"{self._name}: array {name!r}"
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            return None
        try:
            file.seek(member.header_offset)
            # the local header, whose extra field may be longer than the directory's (APPNOTE.TXT, 4.3.7)
            local = file.read(30)
            if len(local) < 30 or local[:4] != b"PK\3\4":
                raise ValueError("no header where the directory has it")
            file.seek(member.header_offset + 30 + sum(struct.unpack("<HH", local[26:30])))
        except (ValueError, OSError) as error:
            raise FormatError(f"{what} is damaged ({_reason(error)}); {_FIX}") from None
        head = array_head(file, what)
        start = file.tell()
        if (head.nbytes != member.file_size - head.length
                or start + head.nbytes > os.fstat(file.fileno()).st_size):
            raise FormatError(f"{what} is damaged (its size does not fit its shape {head.shape}); {_FIX}")
        return head, start

    def compressed(self) -> bool:
        """Whether any array is."""
        return any(info.compress_type != zipfile.ZIP_STORED for info in self._archive.infolist())


@contextmanager
def open_archive(path: str | os.PathLike[str]) -> Iterator[Archive]:
    """Open an .npz file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is none, or its directory is damaged.
    """
    name = printable(path)
    with regular_file(path) as file:
        start = file.read(6)
        if start == b"\x93NUMPY":
            raise FormatError(f"{name} holds a single array; save images and labels together with "
                              "numpy.savez(path, x=, y=)")
        if start[:2] != b"PK":
            raise FormatError(f"{name} is no .npz file (it begins with {start[:2]!r}); {_FIX}")
        try:
            archive = zipfile.ZipFile(file)
        except MemoryError:
            raise
        except Exception as error:  # zipfile raises errors of many kinds
            raise FormatError(f"{name} is cut off or damaged ({_reason(error)}); {_FIX}") from None
        with archive:
            yield Archive(file, archive, path)


def regular_file(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file; FileNotFoundError says it if there is none."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {printable(path)}")
    if Path(path).is_dir():
        raise FormatError(f"{printable(path)} is a folder, not a file")
    return open_regular(path)


def _reason(error: Exception) -> str:
    return printable(" ".join(str(error).split())[:200]) or type(error).__name__
