"""Names of dtypes, the same for every array library."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
          "float16", "bfloat16", "float32", "float64", "complex64", "complex128")
REMEMBERED = 256
_names: dict[tuple[type, Any], str] = {}  # because NumPy takes long to make a dtype's name


def dtype_name(dtype: Any) -> str:
    """A dtype's plain name, whichever library it comes from.

    >>> import numpy
    >>> dtype_name(numpy.float32), dtype_name(numpy.dtype("int64")), dtype_name("bool")
    ('float32', 'int64', 'bool')
    """
    try:
        # with the type, because libraries warn when their dtypes are compared with others'
        return _names[key := (type(dtype), dtype)]
    except (KeyError, TypeError):  # new, or not hashable
        pass
    name = (dtype if isinstance(dtype, str) else getattr(dtype, "name", None)
            or getattr(dtype, "__name__", None) or str(dtype))
    name = {"bool_": "bool", "float": "float64", "int": "int64"}.get(name, name)
    name = name.rsplit(".", 1)[-1]
    if len(_names) < REMEMBERED and isinstance(dtype, Hashable):
        _names[key] = name
    return name
