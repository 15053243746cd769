"""`check_messages`: small files that would become large in memory are refused before they are parsed."""

import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

import numpy as np
from onnx import ModelProto
from onnx_graphs import model, node

from cnnkit import onnx
from cnnkit.onnx.importer.source import Source
from cnnkit.onnx.importer.wire import check_messages
from cnnkit.storage import FormatError

OPSET = b"\x42\x02\x10\x11"


def field(number, content):
    """A field of bytes, with its length."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


@pytest.mark.parametrize("graph", [
    b"\x0a\x00" * 100_000,  # nodes that are empty
    field(1, b"\x2a\x00" * 100_000),  # attributes of one
    field(5, b"\x6a\x00" * 100_000)])  # entries of a tensor's external data
def test_many_empty_messages_are_refused(graph):
    with pytest.raises(FormatError, match="it asks for far more nodes, attributes or tensors than its"):
        onnx.load(field(7, graph) + OPSET)


def test_messages_within_messages_have_a_depth():
    graph = b""
    for _ in range(60):  # a node with an attribute with a graph
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(FormatError, match="it asks for far more"):
        onnx.load(field(7, graph) + OPSET)


def test_a_sound_file_of_many_small_nodes_is_read():
    nodes = [node("Relu", [f"v{n}"], [f"v{n + 1}"]) for n in range(3000)]
    content = model(nodes, {"v0": [1]}).SerializeToString()
    check_messages(content, ModelProto.DESCRIPTOR, Source("net", len(content)))
    assert onnx.load(content)(np.ones(1, np.float32)).tolist() == [1.0]


@pytest.mark.parametrize("content", [b"\x3a", b"\x3a\xff\xff\xff\xff", b"\x3b\x00", b"\xff" * 20,
                                     field(7, b"\x0a\x7f")])
def test_fields_that_are_cut_off_or_of_no_kind_are_refused(content):
    with pytest.raises(FormatError, match="no ONNX model, or one that is cut off"):
        onnx.load(content)
