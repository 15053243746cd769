"""`read_graph`: what a graph must not be, each with an error that names the node."""

import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

import numpy as np
from onnx import TensorProto, helper
from onnx_graphs import model, node

from cnnkit import onnx
from cnnkit.onnx.importer.declaration import OPERATORS, operator_for
from cnnkit.storage import FormatError

X = {"x": [2]}


def refused(proto, message):
    with pytest.raises(FormatError, match=message):
        onnx.load(proto)


def test_an_unknown_operator_is_named_with_its_node_and_opset():
    refused(model([node("Loop", ["x"], ["y"], "/stage/Loop")], X),
            "the node '/stage/Loop' is of the operator 'Loop' of opset 17, which cnnkit does not have; docs")


def test_an_operator_of_another_domain_is_none_of_onnx():
    refused(model([node("Relu", ["x"], ["y"], domain="org.net")], X), "'Relu' of the domain 'org.net'")


def test_an_operator_that_the_opset_does_not_have_yet_is_refused_with_those_that_do():
    refused(model([node("GroupNormalization", ["x", "x", "x"], ["y"], num_groups=1)], X, opset=17),
            "of opset 17, which cnnkit does not have; it has that of opset 18 to 20 and 21 to 28")


def test_opsets_that_are_too_new_are_refused():
    refused(model([node("Relu", ["x"], ["y"])], X, opset=99), "it is of opset 99; those up to 28 are read")


def test_a_circle_is_refused():
    refused(model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"])], X),
            "reads 'b', which is made only after it: its nodes form a circle")


def test_a_value_that_nothing_makes_is_refused():
    refused(model([node("Add", ["x", "nobody"], ["y"])], X), "reads 'nobody', which nothing makes")


def test_a_value_that_is_made_twice_is_refused():
    refused(model([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], X), "has the name of another, 'y'")
    refused(model([node("Relu", ["x"], ["x"])], X), "has the name of another, 'x'")


def test_an_output_that_no_node_makes_is_refused():
    refused(model([node("Relu", ["x"], ["y"])], X, ["z"]), "its output 'z' is made by no node")
    nothing = model([node("Relu", ["x"], ["y"])], X)
    nothing.graph.ClearField("output")
    refused(nothing, "its graph has no output")


@pytest.mark.parametrize(("attributes", "message"), [
    ({"colour": 1}, "has the attribute 'colour', which cnnkit does not know of this operator; it has alpha"),
    ({"alpha": 1}, "has the attribute 'alpha' of type int, or twice; it must be one of type float"),
    ({"alpha": [1.0]}, "of type Floats")])
def test_attributes_that_the_operator_does_not_have_are_refused(attributes, message):
    refused(model([node("Elu", ["x"], ["y"], **attributes)], X), message)


def test_an_attribute_that_must_be_given_is_asked_for():
    refused(model([node("Concat", ["x", "x"], ["y"])], X), "lacks the attribute 'axis'")


def test_too_few_and_too_many_inputs_are_refused():
    refused(model([node("Add", ["x"], ["y"])], X), r"lacks an input; the operator needs a, b")
    refused(model([node("Add", ["x", ""], ["y"])], X), "lacks an input")
    refused(model([node("Relu", ["x", "x"], ["y"])], X), "has 2 inputs; the operator takes 1")
    refused(model([node("Concat", [], ["y"], axis=0)], X), "lacks an input")


def test_an_input_that_is_no_tensor_is_refused():
    proto = model([node("Relu", ["x"], ["y"])], X)
    proto.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None))
    refused(proto, "its input 'x' is no tensor, but a sequence")


def test_names_that_are_no_text_are_refused():
    content = model([node("Relu", ["x"], ["yyyy"])], X).SerializeToString()
    refused(content.replace(b"yyyy", b"\xff\xfe\xff\xfe"), "one of its names is no text")


def test_graphs_within_graphs_have_a_depth():
    result = helper.make_tensor_value_info("r", 1, None)
    inner = helper.make_graph([node("Relu", ["x"], ["r"])], "g", [], [result])
    for depth in range(12):
        outer = [node("If", ["flag"], [f"i{depth}"], then_branch=inner, else_branch=inner)]
        inner = helper.make_graph(outer, "g", [], [helper.make_tensor_value_info(f"i{depth}", 1, None)])
    refused(model(list(inner.node), X, flag=np.array(True)), "graphs within graphs, more than 8 deep")


def test_branches_may_use_the_same_names():
    out = [helper.make_tensor_value_info("r", 1, None)]
    branches = [helper.make_graph([node(kind, ["x"], ["t"]), node("Neg", ["t"], ["r"])], "g", [], out)
                for kind in ("Relu", "Abs")]
    choice = node("If", ["flag"], ["y"], then_branch=branches[0], else_branch=branches[1])
    loaded = onnx.load(model([choice], {"x": [1], "flag": np.array(True)}))
    x = np.array([-2.0], np.float32)
    assert (loaded(x, np.array(True)).tolist(), loaded(x, np.array(False)).tolist()) == ([0.0], [-2.0])


def test_every_version_of_an_operator_begins_where_the_one_before_ends():
    for name, versions in OPERATORS.items():
        ordered = sorted(versions, key=lambda each: each.since)
        assert [each.until + 1 for each in ordered[:-1]] == [each.since for each in ordered[1:]], name
    assert operator_for("Softmax", 12) is not operator_for("Softmax", 13)
