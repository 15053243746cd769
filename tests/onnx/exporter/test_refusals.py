"""What no ONNX graph can be is refused by name, with the line or the layer."""

import collections
import importlib.util

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import backends, nn
from cnnkit import onnx as cnnkit_onnx

pytest.importorskip("ndonnx")
pytest.importorskip("onnxruntime")


def operators(model):
    return dict(collections.Counter(node.op_type for node in model.graph.node))


def drawn(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_tensor_that_is_no_buffer_is_named():
    kept = cnnkit.ones(3)
    with pytest.raises(TypeError, match="two backends") as caught:
        cnnkit_onnx.export(Forward(lambda x: x + kept), drawn((2, 3)))
    assert "register_buffer" in caught.value.__notes__[0]


class Forward(nn.Module):
    """A module of one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def branching(x):
    return x if x.sum() > 0 else -x


@pytest.mark.parametrize(("function", "error", "words"), [
    (branching, RuntimeError, r"test_refusals\.py, line \d+, in branching, reads a number .*cnnkit\.where"),
    (lambda x: x * x.max().item(), RuntimeError, r"test_refusals\.py, line \d+, in <lambda>, reads"),
    (lambda x: F.dropout(x, training=True), RuntimeError, "Forward draws random numbers"),
    (lambda x: x + cnnkit.rand(3), RuntimeError, "dropout in training"),
    (lambda x: x + cnnkit.randn(3), RuntimeError, r"self\.training is true"),
    (lambda x: F.batch_norm(x, cnnkit.zeros(3), cnnkit.ones(3), training=True), RuntimeError,
     "batch_norm in training mode moves its running statistics"),
    (lambda x: x.sum(0) * x.shape[0] ** 2, ValueError,
     r"constant that is 4.* for one size and 9.*all sizes of batch"),
    (lambda x: sum(row for row in x), ValueError,
     "not the same in the graph for another size.*all sizes of batch: make no Python loop"),
    (lambda x: "text", TypeError, "returns a str"),
    (lambda x: [], TypeError, "returns no Tensor")],
    ids=["branch", "item", "dropout", "rand", "randn", "batch-norm", "square", "loop", "text", "nothing"])
def test_what_no_graph_can_be_is_refused_by_name(function, error, words):
    with pytest.raises(error, match=words):
        cnnkit_onnx.export(Forward(function), drawn((2, 3)))


def test_a_layer_that_draws_is_named():
    model = nn.Sequential(nn.Linear(3, 3), Forward(F.dropout))
    with pytest.raises(RuntimeError, match=r"^1 \(Forward\) draws random numbers"):
        cnnkit_onnx.export(model, drawn((2, 3)))
    assert "Dropout" not in str(operators(cnnkit_onnx.export(nn.Sequential(nn.Dropout()), drawn((2, 3)))))


def test_an_image_that_is_no_batch_is_told_how_it_was_taken():
    with pytest.raises(ValueError, match="2 channels") as caught:
        cnnkit_onnx.export(nn.Conv2d(3, 2, 3), drawn((3, 5, 5)))
    assert "inputs of shape (2, 5, 5)" in caught.value.__notes__[-1]
    assert "vary (batch)" in caught.value.__notes__[-1]


def test_an_error_says_in_which_layer_it_was_raised():
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(Forward(branching)))
    with pytest.raises(RuntimeError) as caught:
        cnnkit_onnx.export(model, drawn((2, 3)))
    assert caught.value.__notes__ == ["It was raised in 1.0, while the model was exported"]


@pytest.mark.parametrize(("arguments", "settings", "error", "words"), [
    ((F.relu, drawn((1, 3))), {}, TypeError, "takes a Module; got function"),
    ((nn.ReLU(), [[1.0]]), {}, TypeError, "must be a Tensor or an array"),
    ((nn.ReLU(), ()), {}, TypeError, "got nothing"),
    ((nn.ReLU(), drawn((1, 3)).astype(complex)), {}, TypeError, "has no dtype 'complex128'"),
    ((nn.ReLU(), drawn((1, 3))), {"opset": 16}, ValueError, "writes opsets 17 to"),
    ((nn.ReLU(), drawn((1, 3))), {"dynamic_axes": {"x": {0: "n"}}}, ValueError, "the inputs are input"),
    ((nn.ReLU(), drawn((1, 3))), {"dynamic_axes": {"input": [2]}}, ValueError, "has axis 2")])
def test_wrong_arguments_are_named(arguments, settings, error, words):
    with pytest.raises(error, match=words):
        cnnkit_onnx.export(*arguments, **settings)


def test_the_extra_is_named_where_a_package_is_missing(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "spox" else found(name))
    with pytest.raises(backends.Unavailable, match=r"spox is not installed .*cnnkit\[onnx\]"):
        cnnkit_onnx.export(nn.ReLU(), drawn((1, 3)))
