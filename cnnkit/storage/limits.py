"""Limits: how much memory a file may ask for, and how to raise that.

A few bytes of a file can ask for any amount of memory: a compressed image, an array's shape, a model's
settings. Readers compare what a file promises with these limits before they take memory. Whoever trusts a
file raises them by environment variables, ``CNNKIT_LIMIT_IMAGE_PIXELS=200000000``; from Python,
``os.environ`` does it too, because they are read at each use.
"""

from __future__ import annotations

import os

from cnnkit.storage.errors import FormatError

__all__ = ["LIMITS", "check", "limit", "variable"]

LIMITS = {
    "image_pixels": 50_000_000,  # height times width of one image
    "array_bytes": 1 << 28,  # of one array in a compressed file, where that is more than EXPANSION allows
    "model_bytes": 1 << 32,  # of one safetensors or ONNX file, or a checkpoint's JSON file
    "header_bytes": 1 << 24,  # of a safetensors file's header, with all settings in it
    "text_bytes": 1 << 26,  # of one TOML or CSV file
}
EXPANSION = 16  # an array may take so many times its file's size in any case


def limit(name: str, file_size: int = 0) -> int:
    """A limit's present value: the environment's, or else the default.

    `file_size`, in bytes, is that of the file, where `EXPANSION` times that much is allowed in any case.

    Raises
    ------
    ValueError
        If the environment variable is no whole number.

    >>> limit("image_pixels")
    50000000
    """
    text = os.environ.get(variable(name))
    if not text:
        return max(LIMITS[name], EXPANSION * file_size)
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ValueError(f"the environment variable {variable(name)} must be a whole number, such as "
                         f"{LIMITS[name]}; it is {text!r}")
    return max(int(text), EXPANSION * file_size)


def variable(name: str) -> str:
    """The environment variable of a limit.

    >>> variable("array_bytes")
    'CNNKIT_LIMIT_ARRAY_BYTES'
    """
    return f"CNNKIT_LIMIT_{name.upper()}"


def check(name: str, size: int, what: str, file_size: int = 0) -> None:
    """Raise FormatError if something asks for more than a limit; the message says how to raise it.

    Parameters
    ----------
    name : str
        The limit.
    size : int
        How much.
    what : str
        The beginning of the message, which names the file, such as ``"a.png"``.
    file_size : int
        As in `limit`.

    >>> check("image_pixels", 10**10, "a.png")
    Traceback (most recent call last):
        ...
    cnnkit.storage.errors.FormatError: a.png has 10,000,000,000 pixels; at most 50,000,000 are read. \
If you trust it, set the environment variable CNNKIT_LIMIT_IMAGE_PIXELS=10000000000
    """
    most = limit(name, file_size)
    if size > most:
        unit = name.partition("_")[2]
        how = (f". If you trust it, set the environment variable {variable(name)}={size}"
               if size < 10**18 else "")
        raise FormatError(f"{what} has {size:,} {unit}; at most {most:,} are read{how}")
