"""The two forms of PyTorch's files: a zip archive of a program and storages; the older row of programs."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from cnnkit.serialization.names import Names
from cnnkit.serialization.opcodes import Global, Refused, run
from cnnkit.serialization.storages import Storage, Views, check_whole, typed
from cnnkit.storage import FormatError, limits

__all__ = ["is_old", "is_tar", "is_zip", "read_old", "read_zip"]

MAGIC = 0x1950A86A20F9469CFC6C  # what the first program of the older form leaves
OLD_VERSION = 1001
_TAR = slice(257, 262)  # bytes of a tar archive's first header


def is_zip(data: bytes) -> bool:
    """Whether a file begins as a zip archive."""
    return data[:4] == b"PK\x03\x04"


def is_tar(data: bytes) -> bool:
    """Whether a file is a tar archive, PyTorch's form before version 0.1.10."""
    return data[_TAR] == b"ustar"


def is_old(data: bytes) -> bool:
    """Whether a file begins with a program, as PyTorch's before version 1.6 do."""
    return data[:1] == b"\x80"


def read_zip(data: bytes, views: Views) -> Any:
    """What a zip archive holds.

    Raises
    ------
    FormatError, ValueError, ...
        As `opcodes.run`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_archive(archive, len(data), views)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise ValueError(f"its archive is damaged: {error}") from error


def _read_archive(archive: zipfile.ZipFile, size: int, views: Views) -> Any:
    entries = {entry.filename: entry for entry in archive.infolist()}
    programs = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(programs) != 1:
        kind = ("a NumPy archive; cnnkit.data.datasets.npz reads such" if any(
            name.endswith(".npy") for name in entries) else "no archive of PyTorch's")
        raise Refused(f"it is {kind}")
    root = programs[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in entries or any(name.startswith(f"{root}code/") for name in entries):
        raise Refused("it is a TorchScript archive, which holds code: save model.state_dict() instead")
    if sum(entry.file_size for entry in entries.values()) > size:
        raise ValueError("its parts are larger together than the whole")
    for entry in entries.values():
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise Refused("its parts are compressed or encrypted, which PyTorch does not do")
    if f"{root}byteorder" in entries and archive.read(f"{root}byteorder").strip() != b"little":
        raise Refused("its numbers are in the other byte order")
    limits.check("header_bytes", entries[programs[0]].file_size, f"{views.where}: its list of Tensors")
    storages: dict[str, Storage] = {}

    def persistent(identifier: Any) -> Storage:
        key, storage = _storage_of(identifier)
        name = f"{root}data/{key}"
        if key not in storages:
            if name not in entries:
                raise ValueError(f"its storage {key!r} is missing")
            check_whole(storage, entries[name].file_size, key)
            storage.data = archive.read(name)
            storages[key] = storage
        known = storages[key]
        if (known.dtype, known.count) != (storage.dtype, storage.count):
            raise ValueError(f"its storage {key!r} is {known.count:,} {known.dtype} and {storage.count:,} "
                             f"{storage.dtype}")
        return known

    names = Names(views)
    return run(memoryview(archive.read(programs[0])), 0, names.call, names.find, persistent)[0]


def read_old(data: bytes, views: Views) -> Any:
    """What a file of the older form holds: four programs, the keys of its storages, and their numbers.

    The program that makes the Tensors runs twice, because the numbers come behind it: first to know the
    storages.

    Raises
    ------
    FormatError, ValueError, ...
        As `opcodes.run`.
    """
    view, names = memoryview(data), Names(views)

    def simple(start: int) -> tuple[Any, int]:
        return run(view, start, names.call, names.find, _nothing_stored)

    magic, at = simple(0)
    if magic != MAGIC:
        raise Refused("it is a pickle, and none of PyTorch's files: only weights are read")
    version, at = simple(at)
    if version != OLD_VERSION:
        raise Refused(f"it has version {version!r:.40}, and only {OLD_VERSION} is known")
    system, at = simple(at)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Refused("its numbers are in the other byte order")
    storages: dict[str, Storage] = {}

    def persistent(identifier: Any) -> Storage:
        key, storage = _storage_of(identifier)
        return storages.setdefault(key, storage)

    begin = at
    _, at = run(view, begin, names.call, names.find, persistent)
    limits.check("header_bytes", at, f"{views.where}: its list of Tensors")
    keys, at = simple(at)
    if not isinstance(keys, list) or not set(map(str, keys)) >= storages.keys():
        raise ValueError("its list of storages is not that of its Tensors")
    for key in map(str, keys):
        count = int.from_bytes(view[at:at + 8], "little", signed=True)
        at += 8
        known = storages.get(key)
        if known is None or known.count != count:
            raise ValueError(f"its storage {key!r} has {count:,} numbers, and its Tensors know another")
        check_whole(known, len(view) - at, key)
        known.data = view[at:at + known.nbytes]
        at += known.nbytes
    views.begin()
    return run(view, begin, names.call, names.find, persistent)[0]


def _nothing_stored(identifier: Any) -> Any:
    raise ValueError("Tensors come before the program that makes them")


def _storage_of(identifier: Any) -> tuple[str, Storage]:
    """The key and the storage, without its numbers, of ``("storage", class, key, location, count, ...)``."""
    if not isinstance(identifier, tuple) or len(identifier) not in (5, 6) or identifier[0] != "storage":
        raise Refused("it refers to something stored elsewhere that is no storage")
    _, kind, key, location, count, *view = identifier
    if view and view[0] is not None:
        raise Refused("it has views of storages, as only PyTorch before version 0.4 wrote them")
    if not isinstance(kind, Global) or type(count) is not int or count < 0 or not isinstance(key, str):
        raise ValueError("a storage has no class, no name or no size")
    return key, Storage(typed(kind.name), count, str(location))


def check_result(value: Any) -> None:
    """Raise FormatError if a bare name or storage is left in what was read."""
    waiting, seen = [value], set[int]()
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, Storage | Global):
            raise FormatError("it holds a storage or a class by itself, and only Tensors are read")
        if isinstance(inner, dict | list | tuple) and id(inner) not in seen:
            seen.add(id(inner))
            waiting.extend(inner.values() if isinstance(inner, dict) else inner)
