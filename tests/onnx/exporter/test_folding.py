"""Batch norm becomes part of a convolution, and only where nobody else takes its result or weights."""

import numpy as np
import pytest

from cnnkit.onnx.exporter.folding import fold_batch_norm

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper


def norm(value, name, result):
    return helper.make_node("BatchNormalization", [value, *(f"{name}.{part}" for part in "wbmv")], [result],
                            epsilon=1e-3)


def model(nodes, outputs, **shapes):
    """Nodes on x (2, 4, 5, 5), with weights drawn for the given shapes and those of two norms."""
    random = np.random.default_rng(0)
    shapes = {name.replace("__", "."): shape for name, shape in shapes.items()}
    weights = {**{name: random.standard_normal(shape) for name, shape in shapes.items()},
               **{f"{name}.{part}": random.random(4) + 0.5 for name in ("n", "m") for part in "wbmv"}}
    body = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 4, 5, 5])],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 4, 5, 5]) for name in outputs],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(made):
    x = np.random.default_rng(1).standard_normal((2, 4, 5, 5)).astype(np.float32)
    return runtime.InferenceSession(made.SerializeToString()).run(None, {"x": x})


def check(made, folded):
    before = run(made)
    assert fold_batch_norm(made) == folded
    onnx.checker.check_model(made, full_check=True)
    for one, other in zip(run(made), before, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    return [node.op_type for node in made.graph.node]


def conv(value, weights, result, kind="Conv", **attrs):
    return helper.make_node(kind, [value, *weights], [result], pads=[1] * 4, **attrs)


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("bias", [[], ["c.bias"]], ids=["no-bias", "bias"])
def test_it_is_folded_into_weight_and_bias(kind, bias):
    made = model([conv("x", ["c.weight", *bias], "a", kind), norm("a", "n", "y")], ["y"],
                 c__weight=(4, 4, 3, 3), **({"c__bias": (4,)} if bias else {}))
    assert check(made, 1) == [kind]
    assert [tensor.name for tensor in made.graph.initializer] == ["c.weight", "c.bias"]
    assert made.graph.node[0].output[0] == "y"


def test_groups_are_folded_where_the_weight_has_all_channels():
    made = model([conv("x", ["c.weight"], "a", group=2), norm("a", "n", "b"),
                  conv("b", ["d.weight"], "c", "ConvTranspose", group=2), norm("c", "m", "y")], ["y"],
                 c__weight=(4, 2, 3, 3), d__weight=(4, 2, 3, 3))
    assert check(made, 1) == ["Conv", "ConvTranspose", "BatchNormalization"]


def test_a_result_or_weight_that_others_take_is_left_alone():
    both = helper.make_node("Add", ["a", "b"], ["y"])
    made = model([conv("x", ["c.weight"], "a"), norm("a", "n", "b"), both], ["y"], c__weight=(4, 4, 3, 3))
    assert check(made, 0) == ["Conv", "BatchNormalization", "Add"]
    made = model([conv("x", ["c.weight"], "a"), norm("a", "n", "b"), conv("b", ["c.weight"], "c"),
                  norm("c", "m", "y")], ["y"], c__weight=(4, 4, 3, 3))
    assert check(made, 0).count("BatchNormalization") == 2
    made = model([conv("x", ["c.weight"], "a"), norm("a", "n", "y")], ["a", "y"], c__weight=(4, 4, 3, 3))
    assert check(made, 0).count("BatchNormalization") == 1
