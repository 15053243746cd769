"""The tensors of a model's file as NumPy arrays: none is made before the file is known to hold as much."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit import storage
from cnnkit.onnx.importer.narrow import NARROW, decoded
from cnnkit.onnx.importer.source import Source
from cnnkit.storage import limits

__all__ = ["DTYPES", "array_of", "computed_dtype", "dtype_named"]

# TensorProto.DataType -> the dtype's name, how its raw bytes are read, and the field that else has the values
DTYPES = {
    1: ("float32", "<f4", "float_data"), 2: ("uint8", "u1", "int32_data"), 3: ("int8", "i1", "int32_data"),
    4: ("uint16", "<u2", "int32_data"), 5: ("int16", "<i2", "int32_data"),
    6: ("int32", "<i4", "int32_data"), 7: ("int64", "<i8", "int64_data"), 9: ("bool", "?", "int32_data"),
    10: ("float16", "<f2", "int32_data"), 11: ("float64", "<f8", "double_data"),
    12: ("uint32", "<u4", "uint64_data"), 13: ("uint64", "<u8", "uint64_data"),
} | {number: (kind.name, "<u2" if kind.bits == 16 else "u1", "int32_data") for number, kind in NARROW.items()}
EXTERNAL = 1  # TensorProto.DataLocation
MOST_AXES = 64  # of NumPy


def computed_dtype(number: int) -> str:
    """The name of the dtype that is computed in; of a narrow one, that which holds its numbers.

    Raises
    ------
    ValueError
        If cnnkit has no such dtype.

    >>> computed_dtype(1), computed_dtype(7), computed_dtype(16)
    ('float32', 'int64', 'float32')
    """
    if number not in DTYPES:
        raise ValueError(f"cnnkit does not have the data type {number} of ONNX's list; it has "
                         f"{', '.join(name for name, _, _ in DTYPES.values())}")
    return NARROW[number].held if number in NARROW else DTYPES[number][0]


def dtype_named(number: int, what: str, source: Source) -> str:
    """A dtype's name from its number in ONNX.

    Raises
    ------
    FormatError
        If cnnkit has no such dtype; the message begins with `what` has it.
    """
    if number not in DTYPES:
        raise source.error(f"{what} has the data type {number} of ONNX's list, which cnnkit does not read; "
                           f"it reads {', '.join(name for name, _, _ in DTYPES.values())}")
    return DTYPES[number][0]


def array_of(proto: Any, source: Source) -> np.ndarray:
    """A ``TensorProto`` as an array; narrow dtypes, which NumPy does not have, in that which holds them.

    Raises
    ------
    FormatError
        If it has a dtype that is not read, does not hold as many values as its shape says, or is kept
        outside the model's folder.
    """
    what = f"the tensor {proto.name!r}"
    dtype = dtype_named(proto.data_type, what, source)
    _, code, field = DTYPES[proto.data_type]
    shape = tuple(proto.dims)
    if min(shape, default=0) < 0 or len(shape) > MOST_AXES:
        raise source.error(f"{what} has the shape {shape[:8]}, which no array has")
    every, narrow = math.prod(shape), NARROW.get(proto.data_type)
    count = every if narrow is None else -(-every * min(narrow.bits, 8) // 8)  # of 4 bits, two in a byte
    if proto.data_location == EXTERNAL:
        raw = _external(proto, what, count * np.dtype(code).itemsize, source)
    else:
        raw = proto.raw_data
    if raw or proto.data_location == EXTERNAL:
        values = _from_bytes(raw, code, count, what, source)
    else:
        values = _from_field(proto, dtype, code, field, count, what, source)
    if narrow is not None:
        values = decoded(values, narrow, every)
    try:
        return values.reshape(shape)
    except ValueError as error:  # without values, but too large along the other axes
        raise source.error(f"{what} has the shape {shape[:8]}, which no array has ({error})") from error


def _from_bytes(raw: bytes, code: str, count: int, what: str, source: Source) -> np.ndarray:
    width = np.dtype(code).itemsize
    if len(raw) != count * width:
        raise source.error(f"{what} has {len(raw):,} bytes, and its shape needs {count:,} values of {width}; "
                           "the file is damaged or cut off")
    if code == "?":
        return np.frombuffer(raw, np.uint8) != 0
    return np.frombuffer(raw, code).astype(np.dtype(code).newbyteorder("="))


def _from_field(proto: Any, dtype: str, code: str, field: str, count: int, what: str,
                source: Source) -> np.ndarray:
    kept = {"float_data": proto.float_data, "int32_data": proto.int32_data, "int64_data": proto.int64_data,
            "double_data": proto.double_data, "uint64_data": proto.uint64_data}[field]
    if len(kept) != count:
        raise source.error(f"{what} has {len(kept):,} values, and its shape needs {count:,}; the file is "
                           "damaged or cut off")
    wide = {"float_data": np.float32, "double_data": np.float64, "uint64_data": np.uint64}
    values = np.array(kept, wide.get(field, np.int64))
    if dtype in ("float16", "bfloat16"):  # their bits
        bits = values.astype(np.uint16)
        return bits if dtype == "bfloat16" else bits.view(np.float16)
    return values.astype(np.dtype(code).newbyteorder("="))


def _external(proto: Any, what: str, needed: int, source: Source) -> bytes:
    """What lies in another file, which must be in the model's folder or below."""
    if source.folder is None:
        raise source.error(f"{what} is kept in another file; load the model by its path")
    entries = {entry.key: entry.value for entry in proto.external_data}
    location = entries.get("location", "")
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", needed))
    except ValueError:
        raise source.error(f"{what} is kept in {location!r}, at an offset or of a length that is no "
                           "number") from None
    folder = source.folder.resolve()
    path = Path(os.path.normpath(folder / location)) if "\0" not in location else folder
    if path == folder or not path.is_relative_to(folder) or not path.resolve().is_relative_to(folder):
        raise source.error(f"{what} is kept in {location!r}, which is no file in the model's folder; nothing "
                           "outside it is read")
    if length != needed or offset < 0:
        raise source.error(f"{what} is kept in {location!r}, {length:,} bytes from {offset:,} on; its shape "
                           f"needs {needed:,} bytes")
    try:
        with storage.open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if offset + length > size:
                raise source.error(f"{what} is kept in {location!r}, {length:,} bytes from {offset:,} on; "
                                   f"the file has {size:,}")
            source.taken[path] = source.taken.get(path, 0) + length
            if source.taken[path] > size:
                raise source.error(f"its tensors ask for more bytes of {location!r} than the file has "
                                   f"({size:,})")
            limits.check("model_bytes", sum(source.taken.values()), f"{source.name} with its external data")
            file.seek(offset)
            return file.read(length)
    except OSError as error:
        raise source.error(f"{what} is kept in {location!r}, which cannot be read ({error})") from error
