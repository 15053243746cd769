"""A traced graph becomes the one to read: weights, no copies, names, and the opset that is asked for."""

import numpy as np
import pytest

from cnnkit.onnx.exporter.tidying import lower, tidy

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
helper, numpy_helper = onnx.helper, onnx.numpy_helper


def model(nodes, outputs, inputs=("x", "w"), opset=21):
    def described(name):
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2])
    body = helper.make_graph(nodes, "g", [*map(described, inputs)], [*map(described, outputs)])
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)])


def constant(name, value):
    tensor = numpy_helper.from_array(np.asarray(value, np.float32))
    return helper.make_node("Constant", [], [name], value=tensor)


def test_copies_become_names_and_the_unused_goes():
    node = helper.make_node
    made = model([node("Add", ["x", "w"], ["Add_0"]), node("Relu", ["Add_0"], ["Relu_0"]),
                  node("Neg", ["x"], ["unused"]), node("Identity", ["Add_0"], ["layer"]),
                  node("Identity", ["Relu_0"], ["y"]), node("Identity", ["unused"], ["n"])],
                 ["n", "layer", "y"], ("x", "w", "v"))
    tidy(made, ["y"], ["layer", "n"], {"w": np.zeros(2, np.float32), "v": np.ones(2, np.float32)})
    assert [(node.name, node.op_type, *node.input, *node.output) for node in made.graph.node] == [
        ("layer", "Add", "x", "w", "layer"), ("y", "Relu", "layer", "y")]
    assert [value.name for value in made.graph.input] == ["x"]
    assert [value.name for value in made.graph.output] == ["y"]
    assert [tensor.name for tensor in made.graph.initializer] == ["w"]


def test_equal_constants_are_one_initializer_and_helpers_are_named_after_their_goal():
    made = model([constant("a", 2.0), constant("b", 2.0), helper.make_node("Mul", ["x", "a"], ["Mul_0"]),
                  helper.make_node("Mul", ["Mul_0", "b"], ["Mul_1"]),
                  helper.make_node("Relu", ["Mul_1"], ["y"])], ["y"], ("x",))
    tidy(made, ["y"], [], {})
    assert [tensor.name for tensor in made.graph.initializer] == ["constant_0"]
    assert [node.name for node in made.graph.node] == ["y.Mul_1", "y.Mul", "y"]


def test_the_lowest_opset_from_the_given_one_on_is_declared():
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Cast", ["r"], ["y"], to=1, saturate=1)]
    made = model(nodes, ["y"], ("x",))
    assert lower(made, 17) == 17
    assert [a.name for node in made.graph.node for a in node.attribute] == ["to"]  # saturate came in opset 19
    onnx.checker.check_model(made, full_check=True)
    assert lower(model(nodes, ["y"], ("x",)), 20) == 20


def test_axes_that_were_an_attribute_become_one_again():
    made = model([helper.make_node("ReduceMax", ["x", "axes"], ["y"], keepdims=1)], ["y"], ("x",))
    made.graph.initializer.append(numpy_helper.from_array(np.asarray([0], np.int64), "axes"))
    assert lower(made, 17) == 17
    node, = made.graph.node
    assert (list(node.input), {a.name: list(a.ints) for a in node.attribute}) == (["x"], {"axes": [0]})


def test_an_operator_that_came_later_raises_the_opset():
    assert lower(model([helper.make_node("Gelu", ["x"], ["y"])], ["y"], ("x",)), 17) == 20


def test_a_value_that_a_branch_uses_is_kept_and_renamed():
    inner = helper.make_graph([helper.make_node("Neg", ["Add_0"], ["n"])], "then", [],
                              [helper.make_tensor_value_info("n", onnx.TensorProto.FLOAT, [2])])
    yes = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.asarray(True)))
    made = model([yes, helper.make_node("Add", ["x", "x"], ["Add_0"]),
                  helper.make_node("Identity", ["Add_0"], ["layer"]),
                  helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)],
                 ["layer", "y"], ("x",))
    tidy(made, ["y"], ["layer"], {})
    assert [node.name for node in made.graph.node] == ["layer", "y"]
    assert made.graph.node[1].attribute[0].g.node[0].input[0] == "layer"
    result, = reference.ReferenceEvaluator(made).run(None, {"x": np.ones(2, np.float32)})
    assert result.tolist() == [-2.0, -2.0]
