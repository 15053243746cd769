"""The optional package ``onnx``, which reads and writes the format: imported here, where it is needed."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["onnx_package"]


def onnx_package() -> Any:
    """The module ``onnx``.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module("onnx")
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise ImportError("cnnkit.onnx needs the package onnx, which is not installed: "
                          "pip install 'cnnkit[onnx]'") from error
