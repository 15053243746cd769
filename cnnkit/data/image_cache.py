"""Caches of decoded images: in memory up to a number of bytes, or in a folder, from one run to the next."""

from __future__ import annotations

import errno
import hashlib
import math
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cnnkit import storage
from cnnkit.data.filenames import printable
from cnnkit.data.image_file import read_image

__all__ = ["DiskCache", "ImageCache", "MemoryCache", "as_cache"]

Reader = Callable[[Path, str, tuple[int, int] | None], np.ndarray]
_RULES = 1  # counted up when a reader makes other pixels of the same file
_HEADER = struct.Struct("<4I")  # CRC-32 of what follows; height, width, channels (0: no such axis)


class ImageCache:
    """Image files read by `read_image`, each once; a subclass keeps the pixels.

    An image is found again by its path, its size in bytes, its time of change, and the settings it was read
    with, so a file that is changed is read again. Several threads may ask at the same time.
    """

    def image(self, file: Path, mode: str, size: tuple[int, int] | None,
              read: Reader = read_image) -> np.ndarray:
        """What ``read(file, mode, size)`` gives, uint8 (H, W) or (H, W, 3); each reader has its own modes."""
        try:
            status = file.stat()
        except OSError:
            return read(file, mode, size)  # whose error says what is wrong
        key = repr((os.path.abspath(file), status.st_size, status.st_mtime_ns, mode, size, _RULES))
        pixels = self.load(key)
        if pixels is None:
            pixels = read(file, mode, size)
            self.store(key, pixels)
        return pixels

    def load(self, key: str) -> np.ndarray | None:
        """The pixels of a key, uint8 (H, W) or (H, W, 3), not to be written to; ``None`` if not kept."""
        raise NotImplementedError(f"{type(self).__name__} must define load")

    def store(self, key: str, pixels: np.ndarray) -> None:
        """Keep the pixels of a key, if there is room."""
        raise NotImplementedError(f"{type(self).__name__} must define store")


class MemoryCache(ImageCache):
    """Decoded images in memory: the first that are read, until `limit` bytes are used.

    None is given up for another: in an epoch every image comes once, so the latest are as good as any.

    >>> cache = MemoryCache(100)
    >>> cache.store("a", np.zeros((9, 9), np.uint8))
    >>> cache.store("b", np.zeros((9, 9), np.uint8))  # no room
    >>> cache.used, cache.load("a").shape, cache.load("b")
    (81, (9, 9), None)
    """

    limit: int
    used: int

    def __init__(self, limit: int):
        if limit < 0:
            raise ValueError(f"a cache in memory has a limit of 0 bytes or more, got {limit}")
        self.limit, self.used = limit, 0
        self._images: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()

    def load(self, key: str) -> np.ndarray | None:
        return self._images.get(key)

    def store(self, key: str, pixels: np.ndarray) -> None:
        with self._lock:
            if key not in self._images and self.used + pixels.nbytes <= self.limit:
                self._images[key] = pixels
                self.used += pixels.nbytes

    def __repr__(self) -> str:
        return f"MemoryCache({self.limit}): {len(self._images):,} images, {self.used:,} bytes"


class DiskCache(ImageCache):
    """Decoded images in a folder, a file for each; later runs and other processes use them too.

    Files are written whole or not at all, and have a checksum: one that is damaged is made anew. Pillow's
    version is part of the key, because decoders differ. To be rid of the cache, delete the folder.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        from PIL import __version__

        self.folder: Path = Path(folder)
        self._pillow = __version__
        self._full = False

    def load(self, key: str) -> np.ndarray | None:
        try:
            content = storage.read_bytes(self._file(key))
        except (FileNotFoundError, storage.FormatError):
            return None
        except OSError as error:
            if error.errno != errno.EIO:  # a bad sector: the image can be decoded again
                raise
            return None
        if len(content) < _HEADER.size:
            return None
        checksum, height, width, channels = _HEADER.unpack_from(content)
        shape = (height, width, channels) if channels else (height, width)
        if (zlib.crc32(memoryview(content)[4:]) != checksum
                or len(content) - _HEADER.size != math.prod(shape)):
            return None
        return np.frombuffer(content, np.uint8, offset=_HEADER.size).reshape(shape)

    def store(self, key: str, pixels: np.ndarray) -> None:
        if self._full:
            return
        height, width, *channels = pixels.shape
        body = _HEADER.pack(0, height, width, *(channels or [0]))[4:] + pixels.tobytes()
        file = self._file(key)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            storage.write(file, zlib.crc32(body).to_bytes(4, "little") + body, durable=False)
        except OSError as error:
            self._full = True
            warnings.warn(f"decoded images can no longer be kept in the cache {printable(self.folder)} "
                          f"({error.strerror}); the others are decoded whenever they are needed",
                          stacklevel=2)

    def _file(self, key: str) -> Path:
        name = hashlib.sha256(f"{self._pillow} {key}".encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / name[:2] / name[2:]

    def __repr__(self) -> str:
        return f"DiskCache({printable(self.folder)!r})"


def as_cache(cache: int | str | os.PathLike[str] | ImageCache | None) -> ImageCache | None:
    """A cache of a number of bytes in memory, or of a folder; an `ImageCache` and ``None`` stay.

    >>> as_cache(1 << 30)
    MemoryCache(1073741824): 0 images, 0 bytes
    """
    if cache is None or isinstance(cache, ImageCache):
        return cache
    if isinstance(cache, int) and not isinstance(cache, bool):
        return MemoryCache(cache)
    if isinstance(cache, str | os.PathLike):
        return DiskCache(cache)
    raise TypeError(f"cache={cache!r}: give a number of bytes to use in memory, a folder, or an ImageCache")
