"""Graphs at several sizes become one: what differs is computed, or refused."""

import numpy as np
import pytest

from cnnkit.onnx.exporter.symbols import Symbol, unify

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper

BATCH = Symbol("batch", ("x", 0), (2, 3))


def graph(size, kind, value, dtype=np.int64, before=()):
    """x of (size, 4) and one constant, into one node."""
    constant = numpy_helper.from_array(np.asarray(value, dtype))
    nodes = [*before, helper.make_node("Constant", [], ["c"], value=constant),
             helper.make_node(kind, ["x", "c"], ["y"])]
    shape = np.empty((size, 4)).reshape(value).shape if kind == "Reshape" else [size, 4]
    return helper.make_model(helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [size, 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, shape)]),
        opset_imports=[helper.make_opsetid("", 17)])


def joined(kind, values, dtype=np.int64):
    model = unify([graph(size, kind, value, dtype) for size, value in zip((2, 3), values)], [BATCH],
                  {"x": {0: "batch"}})
    onnx.checker.check_model(model, full_check=True)
    return model


def run(model, size):
    x = np.arange(4.0 * size, dtype=np.float32).reshape(size, 4)
    return x, reference.ReferenceEvaluator(model).run(None, {"x": x})[0]


@pytest.mark.parametrize(("values", "target"), [
    (([2, 2, 2], [3, 2, 2]), [-1, 2, 2]),
    (([4, 2], [6, 2]), [-1, 2]),
    (([2, -1], [3, -1]), [0, -1]),
    (([8], [12]), [-1])])
def test_the_target_of_a_reshape_needs_no_sizes(values, target):
    model = joined("Reshape", values)
    constant, = [node for node in model.graph.node if node.op_type == "Constant"]
    assert numpy_helper.to_array(constant.attribute[0].t).tolist() == target
    assert len(model.graph.node) == 2
    x, y = run(model, 5)
    assert y.tolist() == x.reshape([5 if n == 0 else n for n in target]).tolist()


def test_a_number_that_is_a_multiple_of_the_size_is_computed():
    model = joined("Mul", (6.0, 9.0), np.float32)
    x, y = run(model, 5)
    assert y.tolist() == (x * 15).tolist()
    assert [node.op_type for node in model.graph.node].count("Shape") == 1


def test_a_constant_that_is_equal_along_the_size_is_stretched():
    model = joined("Add", ([[1, 2, 3, 4]] * 2, [[1, 2, 3, 4]] * 3), np.float32)
    x, y = run(model, 4)
    assert y.tolist() == (x + np.arange(1, 5)).tolist()


def test_sizes_are_named_of_inputs_and_outputs():
    model = joined("Add", ([[1.0]], [[1.0]]), np.float32)
    dims = [value.type.tensor_type.shape.dim for value in (*model.graph.input, *model.graph.output)]
    assert [dim[0].dim_param for dim in dims] == ["batch", "batch"]
    assert [dim[1].dim_value for dim in dims] == [4, 4]


@pytest.mark.parametrize(("kind", "values", "words"), [
    ("Mul", (4.0, 9.0), "y .Mul. takes a constant that is 4.0 for one size and 9.0 for another"),
    ("Mul", (1.0, 2.0), "no multiple of the size"),
    ("Add", ([[0.0] * 4, [1.0] * 4], [[0.0] * 4, [1.0] * 4, [2.0] * 4]), "y .Add. takes a constant")])
def test_what_does_not_follow_from_the_size_is_refused(kind, values, words):
    with pytest.raises(ValueError, match=words):
        joined(kind, values, np.float32)


def test_other_nodes_are_refused_with_the_first_that_differs():
    relu = helper.make_node("Relu", ["x"], ["r"])
    graphs = [graph(2, "Mul", 1.0, np.float32), graph(3, "Mul", 1.0, np.float32, [relu])]
    with pytest.raises(ValueError, match=r"c \(Constant\) is not the same .* batch: make no Python loop"):
        unify(graphs, [BATCH], {"x": {0: "batch"}})
    graphs = [graph(2, "Mul", 1.0, np.float32), graph(3, "Mul", 1.0, np.float32)]
    graphs[1].graph.node.append(helper.make_node("Relu", ["y"], ["r"]))
    with pytest.raises(ValueError, match="has 2 nodes, and 3 for another size of height: leave height out"):
        unify(graphs, [Symbol("height", ("x", 0), (2, 3))], {})
