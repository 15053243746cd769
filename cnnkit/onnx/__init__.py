"""ONNX: `load` makes a module of a model that another library has written, `export` writes one.

The package ``onnx`` is optional: ``pip install 'cnnkit[onnx]'``. It is imported on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnkit import suggestions

if TYPE_CHECKING:
    from cnnkit.onnx.exporter import export
    from cnnkit.onnx.importer import OnnxModel, load

_DEFINED_IN = {"OnnxModel": "importer", "export": "exporter", "load": "importer"}
__all__ = ["OnnxModel", "export", "load"]


def __getattr__(name: str) -> Any:
    import importlib

    if name in _DEFINED_IN:
        return vars(importlib.import_module(f"cnnkit.onnx.{_DEFINED_IN[name]}"))[name]
    raise suggestions.attribute_error(f"module {__name__!r}", name, __all__)
