"""Safetensors files: Tensors of any backend to a file and back.

The format cannot hold code, so reading a file never runs any.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from cnnkit import backends, storage
from cnnkit.autograd import Tensor, tensor
from cnnkit.ops.precision import is_narrow
from cnnkit.storage import FormatError, limits

__all__ = ["file_bytes", "from_bytes", "header_metadata", "load_file", "read_metadata", "save_file", "split",
           "tensors_from_bytes", "to_bytes", "with_ending"]

# the format's name of each dtype, and the numbers that NumPy reads: bits, where it has no such dtype
CODES = {"bool": ("BOOL", "?"), "uint8": ("U8", "u1"), "int8": ("I8", "i1"), "uint16": ("U16", "<u2"),
         "int16": ("I16", "<i2"), "uint32": ("U32", "<u4"), "int32": ("I32", "<i4"), "uint64": ("U64", "<u8"),
         "int64": ("I64", "<i8"), "float16": ("F16", "<f2"), "float32": ("F32", "<f4"),
         "float64": ("F64", "<f8"), "complex64": ("C64", "<c8"), "bfloat16": ("BF16", "<u2"),
         "float8_e4m3fn": ("F8_E4M3", "u1"), "float8_e5m2": ("F8_E5M2", "u1")}
DTYPES = {code: name for name, (code, _) in CODES.items()}


def save_file(tensors: Mapping[str, Tensor], path: str | os.PathLike,
              metadata: Mapping[str, str] | None = None) -> Path:
    """Write Tensors of any backend to a safetensors file, whole or not at all; each keeps its dtype.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        A ``state_dict``.
    path : path
        The file to write; an existing one is replaced.
    metadata : mapping of str to str, optional
        Kept in the file's header.

    Raises
    ------
    TypeError
        If a Tensor has a dtype that the format does not hold (complex128), or metadata are no text.
    """
    return storage.write(Path(path), to_bytes(tensors, metadata))


def load_file(path: str | os.PathLike, backend: str | None = None) -> dict[str, Tensor]:
    """Read a safetensors file.

    Every Tensor has the dtype that it has in the file, with these exceptions, which are exact: bfloat16 and
    float16 are read as float32 where the backend has no such dtype (bfloat16: NumPy, array-api-strict), and
    8-bit floating point (F8_E4M3, F8_E5M2) is read as float32 on every backend.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if the file is damaged, is no safetensors file, holds a dtype that is unknown here, or
        is larger than the limits say (`cnnkit.storage.limits`: ``model_bytes``).
    """
    return tensors_from_bytes(file_bytes(path), path, backend)


def file_bytes(path: str | os.PathLike, header_only: bool = False) -> bytes:
    """A safetensors file's bytes, or only its header's with the 8 bytes before it.

    They are read when it is known that the file is as long as its header says, and within the limits
    ``header_bytes`` and ``model_bytes``. The header alone may be that of a file that is cut off.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if it is damaged or too large; the message names it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     len(file_bytes(save_file({"x": tensor([1.0])}, f"{folder}/x.safetensors"))) % 8
    4
    """
    with storage.open_regular(path) as file:
        size, start = os.fstat(file.fileno()).st_size, file.read(8)
        length = int.from_bytes(start, "little")
        try:
            if not 2 <= length <= size - 8:
                raise ValueError(f"its header would have {length:,} bytes, and {max(0, size - 8):,} follow")
            limits.check("header_bytes", length, f"{os.fspath(path)}: its header")
            header = file.read(length)
            if header_only:
                return start + header
            ends = [entry["data_offsets"][1] for name, entry in json.loads(header).items()
                    if name != "__metadata__"]
            promised = 8 + length + max(ends, default=0)
            if promised != size:
                raise ValueError(f"its header asks for {promised:,} bytes, and it has {size:,}")
        except FormatError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(f"{path} is no whole safetensors file ({error}); save the model "
                              "again") from error
        limits.check("model_bytes", size, os.fspath(path))
        return start + header + file.read()


def read_metadata(path: str | os.PathLike) -> dict[str, str]:
    """The texts in a safetensors file's header, by name; nothing else of the file is read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if the header is damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_file({}, f"{folder}/none.safetensors", {"made by": "cnnkit"})
    ...     read_metadata(path)
    {'made by': 'cnnkit'}
    """
    return header_metadata(file_bytes(path, header_only=True), path)


def header_metadata(data: bytes, path: str | os.PathLike) -> dict[str, str]:
    """The texts in the header of a file's bytes; errors name the `path` that they came from."""
    try:
        metadata = json.loads(split(data)[0]).get("__metadata__", {})
        if not all(isinstance(value, str) for value in metadata.values()):
            raise TypeError("its metadata must be texts")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path} is no whole safetensors file ({error}); save the model again") from error
    return metadata


def split(data: bytes) -> tuple[bytes, memoryview]:
    """A file's header, as JSON, and the bytes of its Tensors.

    Raises
    ------
    ValueError
        If the header does not fit into `data`.
    """
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= len(data) - 8:
        raise ValueError(f"its header would have {length:,} bytes, and {max(0, len(data) - 8):,} are there")
    return data[8:8 + length], memoryview(data)[8 + length:]


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None) -> bytes:
    """The bytes of a file of these Tensors."""
    header: dict[str, Any] = {} if not metadata else {"__metadata__": dict(metadata)}
    if not all(isinstance(word, str) for pair in (metadata or {}).items() for word in pair):
        raise TypeError(f"a safetensors file's metadata are text by text; got {metadata!r}")
    encoded = {name: _encode(name, value) for name, value in tensors.items()}
    start = 0
    # the widest numbers first, so that each lies at a multiple of its size
    names = sorted(encoded, key=lambda name: (-encoded[name].itemsize, name))
    for name in names:
        end = start + encoded[name].nbytes
        header[name] = {"dtype": CODES[backends.dtype_name(tensors[name].dtype)][0],
                        "shape": list(tensors[name].shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(encoded[name].tobytes() for name in names)])


def from_bytes(data: bytes, path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The NumPy arrays in a file's bytes; errors name the `path` that they came from.

    bfloat16 and 8-bit floating point, which NumPy does not have, become float32; that is exact.
    """
    return {name: _decode(dtype, bits) for name, (dtype, bits) in _parsed(data, path).items()}


def tensors_from_bytes(data: bytes, path: str | os.PathLike, backend: str | None = None) -> dict[str, Tensor]:
    """The Tensors in a file's bytes, as `load_file` gives them."""
    has = backends.place(backend)[0].dtypes
    return {name: tensor(_decode(dtype, bits), backend=backend,
                         dtype=dtype if dtype in has else "float32" if is_narrow(dtype) else None)
            for name, (dtype, bits) in _parsed(data, path).items()}


def _parsed(data: bytes, path: str | os.PathLike) -> dict[str, tuple[str, np.ndarray]]:
    """Each Tensor's dtype, and its numbers as `CODES` says."""
    try:
        entries = deserialize(data)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} is no whole safetensors file ({error}); save the model again") from error
    parsed = {}
    for name, entry in entries:
        dtype = DTYPES.get(entry["dtype"])
        if dtype is None:
            raise FormatError(f"{path} holds {name!r} in {entry['dtype']}, which cnnkit does not read; "
                             f"it reads {', '.join(DTYPES)}. Convert it where the file was made")
        parsed[name] = dtype, np.frombuffer(entry["data"], CODES[dtype][1]).reshape(entry["shape"])
    return parsed


def _encode(name: str, value: Tensor) -> np.ndarray:
    """A Tensor's numbers as `CODES` says."""
    dtype = backends.dtype_name(value.dtype)
    if dtype not in CODES:
        raise TypeError(f"a safetensors file cannot hold {name!r}, which is {dtype}; it holds "
                        f"{', '.join(CODES)}. Convert it with .to(dtype=...)")
    array = value.numpy()
    if dtype == "bfloat16":
        return (np.asarray(array, np.float32).view(np.uint32) >> 16).astype("<u2")
    if dtype == "float8_e5m2":
        return (np.asarray(array, np.float16).view(np.uint16) >> 8).astype("u1")
    if dtype == "float8_e4m3fn":
        array = np.asarray(array, np.float32)
        magnitude = np.searchsorted(_e4m3()[:127], np.abs(array)).astype("u1")  # NaN: behind the last
        return magnitude | (np.signbit(array).astype("u1") << 7)
    return np.asarray(array, CODES[dtype][1])


def _decode(dtype: str, bits: np.ndarray) -> np.ndarray:
    """The numbers of a file; float32 where NumPy has no such dtype."""
    if dtype == "bfloat16":  # the upper half of a float32
        return (bits.astype(np.uint32) << 16).view(np.float32)
    if dtype == "float8_e5m2":  # the upper half of a float16
        return (bits.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if dtype == "float8_e4m3fn":
        return _e4m3()[bits]
    return bits.astype(bits.dtype.newbyteorder("="), copy=False)


def _e4m3() -> np.ndarray:
    """The number of each of the 256 codes of 1 bit of sign, 4 of exponent, 3 of mantissa.

    There are no infinities, and one NaN of each sign (Micikevicius et al., "FP8 formats for deep learning",
    2022).
    """
    code = np.arange(128)
    exponent, mantissa = code >> 3, code & 7
    numbers = np.where(exponent > 0, np.ldexp(8.0 + mantissa, exponent - 10), np.ldexp(1.0 * mantissa, -9))
    numbers[-1] = np.nan
    return np.concatenate([numbers, -numbers]).astype(np.float32)


def with_ending(path: str | os.PathLike) -> Path:
    """The path with the ending ``.safetensors``, which may have been left out.

    >>> with_ending("models/net.v1").name, with_ending("net.safetensors").name
    ('net.v1.safetensors', 'net.safetensors')
    """
    return Path(path) if Path(path).suffix == ".safetensors" else Path(f"{path}.safetensors")
