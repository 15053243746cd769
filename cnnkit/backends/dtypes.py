"""Names of dtypes, the same for every array library."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "bfloat16", "float32", "float64", "complex64", "complex128")
REMEMBERED = 256
_names: dict[Any, str] = {}  # because NumPy makes a dtype's name anew at every question, which takes long


def dtype_name(dtype: Any) -> str:
    """A dtype's plain name, whichever library it comes from.

    >>> import numpy
    >>> dtype_name(numpy.float32), dtype_name(numpy.dtype("int64")), dtype_name("bool")
    ('float32', 'int64', 'bool')
    """
    try:
        return _names[dtype]
    except (KeyError, TypeError):  # new, or not hashable
        pass
    name = (dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
            or getattr(dtype, "__name__", None) or str(dtype))
    name = {"bool_": "bool", "float": "float64", "int": "int64"}.get(name, name)
    name = name.rsplit(".", 1)[-1]
    if len(_names) < REMEMBERED and isinstance(dtype, Hashable):
        _names[dtype] = name
    return name
