"""How many messages a file asks for, before any is made: one of 2 bytes takes 150 in memory.

The format is protobuf's: a field is a number that says which it is and how long, and its content.
"""

from __future__ import annotations

from typing import Any

from cnnkit.onnx.importer.source import Source

__all__ = ["check_messages"]

SPARE = 1000  # so many messages in any case
BYTES = 6  # and one more for each so many bytes: those of a graph of nothing but shapes have 8 on average
DEEPEST = 100  # messages within messages, as protobuf has it
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # kinds of fields


def check_messages(content: bytes, descriptor: Any, source: Source) -> None:
    """Raise FormatError if a file's bytes ask for more messages than sound ones of that size do.

    Parameters
    ----------
    content : bytes
        Of the file.
    descriptor : Descriptor
        Protobuf's, of the message that the file is.
    """
    left = SPARE + len(content) // BYTES
    fields: dict[Any, dict[int, Any]] = {}  # of each kind of message, those that are messages
    view, todo = memoryview(content), [(0, len(content), descriptor, 0)]
    while todo:
        at, end, kind, depth = todo.pop()
        if kind not in fields:
            fields[kind] = {field.number: field.message_type for field in kind.fields if field.message_type}
        inner = fields[kind]
        try:
            while at < end:
                tag, at = _varint(view, at, end)
                if tag & 7 == VARINT:
                    _, at = _varint(view, at, end)
                elif tag & 7 == LENGTH:
                    size, at = _varint(view, at, end)
                    if tag >> 3 in inner and at + size <= end:
                        left -= 1
                        todo.append((at, at + size, inner[tag >> 3], depth + 1))
                    at += size
                elif tag & 7 in (FIXED64, FIXED32):
                    at += 8 if tag & 7 == FIXED64 else 4
                else:
                    raise IndexError(f"a field of the unknown kind {tag & 7}")
                if left < 0 or depth > DEEPEST:
                    raise source.error("it asks for far more nodes, attributes or tensors than its "
                                       f"{len(content):,} bytes can hold")
            if at > end:
                raise IndexError("a field is cut off")
        except IndexError as error:
            raise source.error(f"no ONNX model, or one that is cut off ({error})") from error


def _varint(view: memoryview, at: int, end: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    byte = view[at]
    if byte < 128:
        return byte, at + 1
    value, shift = byte & 127, 7
    while True:
        at += 1
        if at >= end or shift > 63:
            raise IndexError("a number is cut off")
        byte = view[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at + 1
        shift += 7
