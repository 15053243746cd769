"""A model's file, bytes or message, as a message of the package ``onnx``."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from cnnkit import storage
from cnnkit.onnx.importer.source import Source
from cnnkit.onnx.importer.wire import check_messages
from cnnkit.onnx.requirement import onnx_package
from cnnkit.storage import limits

__all__ = ["read_model"]


def read_model(model: Any) -> tuple[Any, Source]:
    """The ``ModelProto`` of a path, of bytes, or of one that is given as it is.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no ONNX model, or larger than the limit ``model_bytes`` says.
    ImportError
        If the package ``onnx`` is missing.
    TypeError
        If `model` is none of these.
    """
    package = onnx_package()
    if isinstance(model, package.ModelProto):
        source = Source("the ONNX model", model.ByteSize())
        return _checked(model, source), source
    if isinstance(model, bytes | bytearray | memoryview):
        content, source = bytes(model), Source("the ONNX model", len(model))
    elif isinstance(model, str | os.PathLike):
        content = _content(model)
        source = Source(os.fspath(model), len(content), Path(model).parent)
    else:
        raise TypeError("onnx.load takes a path, the bytes of a file or an onnx.ModelProto; "
                        f"got {type(model).__name__}: {model!r:.60}")
    check_messages(content, package.ModelProto.DESCRIPTOR, source)
    proto = package.ModelProto()
    try:
        proto.ParseFromString(content)
    except Exception as error:  # protobuf's DecodeError
        raise source.error(f"no ONNX model, or one that is cut off ({error})") from error
    return _checked(proto, source), source


def _content(path: str | os.PathLike[str]) -> bytes:
    with storage.open_regular(path) as file:
        limits.check("model_bytes", os.fstat(file.fileno()).st_size, os.fspath(path))
        return file.read()


def _checked(proto: Any, source: Source) -> Any:
    if not proto.HasField("graph") or not proto.opset_import:
        raise source.error("no ONNX model: it has no graph or names no operator set")
    _check_texts(proto, source, importlib.import_module("google.protobuf.message").Message)
    return proto


def _check_texts(message: Any, source: Source, message_class: type) -> None:
    """Raise FormatError if a text is none: protobuf gives bytes then."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in (value,) if isinstance(value, message_class) else value:
                _check_texts(part, source, message_class)
        elif field.type == field.TYPE_STRING:
            for text in (value,) if isinstance(value, str | bytes) else value:
                if not isinstance(text, str):
                    raise source.error(f"one of its names is no text (UTF-8): {text[:40]!r}")
