"""The CUDA sources as text, each with prims.cuh and what it includes, and their structures as dtypes.

They are joined here, not by the compiler, because CuPy's disk cache does not see what a file includes.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "cuda"
INCLUDE = re.compile(r'^#include "(.+)"', re.MULTILINE)
TYPES = {"int": np.int32, "unsigned": np.uint32, "long long": np.int64,
         "float": np.float32, "double": np.float64}


@functools.cache
def source(module: str) -> str:
    """The whole source of ``cuda/<module>.cu``: prims.cuh, the files that it includes, and itself.

    Errors name the file and the line.
    """
    main_text = (FOLDER / f"{module}.cu").read_text(encoding="utf-8")
    parts = {name: (FOLDER / name).read_text(encoding="utf-8")
             for name in ("prims.cuh", *INCLUDE.findall(main_text))}
    parts[f"{module}.cu"] = INCLUDE.sub("", main_text)
    return "\n".join(f'#line 1 "{name}"\n{text}' for name, text in parts.items())


@functools.cache
def structure(module: str, name: str) -> np.dtype:
    """A C structure of the source as a dtype: kernels take it by value.

    >>> structure("pool", "Strides").names
    ('n', 'c', 'h', 'w')
    """
    text = re.sub(r"//[^\n]*", "", source(module))
    match = re.search(rf"struct {name} {{([^}}]*)}};", text)
    if match is None:
        raise KeyError(f"{module}.cu has no structure {name}")
    fields = []
    for declaration in filter(None, map(str.strip, match.group(1).split(";"))):
        parts = re.fullmatch(r"((?:long )?\w+) (\w+)(.*)", declaration, re.DOTALL)
        assert parts is not None, f"{name} of {module}.cu declares {declaration!r}"
        type_name, first, rest = parts.groups()
        fields += [(field, TYPES[type_name]) for field in (first, *re.findall(r"\w+", rest))]
    return np.dtype(fields, align=True)
