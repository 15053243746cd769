"""The idx format of MNIST and its successors: arrays of bytes behind a short header, often gzipped.

Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from typing import IO, cast

import numpy as np

from cnnkit.storage import FormatError, limits, open_regular

__all__ = ["read_idx", "read_images", "read_labels"]

_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_FIX = "download it again"
_CHUNK = 1 << 24  # a header may claim any size: memory grows only with what the file holds


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one array from an idx file, gzipped or not.

    Parameters
    ----------
    path : path
        For example ``train-images-idx3-ubyte.gz``. The file's first bytes, not its name, say whether it is
        gzipped.

    Returns
    -------
    ndarray
        In the machine's byte order.

    Raises
    ------
    FormatError
        A ValueError: if it is no idx file, is cut off, does not hold what its header says (the message names
        the file, what was expected, and what was found), or asks for more memory than the limits allow
        (`cnnkit.storage.limits`).

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     _ = file.flush()
    ...     read_idx(file.name).tolist()
    [7, 2, 1]
    """
    with open_regular(path) as raw:
        size = os.fstat(raw.fileno()).st_size
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            if zipped:
                with gzip.open(raw) as file:
                    return _read(cast(IO[bytes], file), path, size)
            return _read(raw, path, size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FormatError(f"{path} is cut off or damaged: "
                             f"its gzip stream cannot be read to the end ({error}); {_FIX}") from None


def _read(file: IO[bytes], path: str | os.PathLike[str], file_size: int) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES or not 1 <= magic[3] <= 8:
        raise FormatError(f"{path} is no idx file: it begins with {magic!r}, where two zero bytes, a type "
                         f"({', '.join(map(str, _DTYPES))}) and a number of axes were expected; {_FIX}")
    dtype, axes = np.dtype(_DTYPES[magic[2]]), magic[3]
    header = file.read(4 * axes)
    if len(header) < 4 * axes:
        raise FormatError(f"{path} is cut off within its header: "
                         f"{4 + len(header)} of {4 + 4 * axes} bytes; {_FIX}")
    shape = tuple(int(n) for n in np.frombuffer(header, ">u4"))
    size = math.prod(shape) * dtype.itemsize
    body, most = bytearray(), min(size, limits.limit("array_bytes", file_size))
    while len(body) <= most and (chunk := file.read(min(_CHUNK, most + 1 - len(body)))):
        body += chunk
    if most < len(body):
        limits.check("array_bytes", size, os.fspath(path), file_size)
    if len(body) != size:
        actual = "more" if len(body) > size else f"only {len(body):,}"
        raise FormatError(f"{path} does not hold what its header says: "
                         f"expected {' x '.join(map(str, shape))} = {size:,} bytes, found {actual}; {_FIX}")
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_images(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an idx file of images: uint8, shape (N, H, W)."""
    return _read_uint8(path, 3, "images")


def read_labels(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an idx file of labels: uint8, shape (N,)."""
    return _read_uint8(path, 1, "labels")


def _read_uint8(path: str | os.PathLike[str], axes: int, content: str) -> np.ndarray:
    array = read_idx(path)
    if array.ndim != axes or array.dtype != np.uint8:
        actual = {1: "labels", 3: "images"}.get(array.ndim, "something else")
        raise FormatError(f"{path} does not hold {content} (idx{axes}, uint8) "
                         f"but {actual} (idx{array.ndim}, {array.dtype}, shape {array.shape}); "
                         "were the files of images and labels exchanged?")
    return array
