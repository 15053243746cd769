"""`fold`: what depends on no input is computed once, and takes no more room than the file's size allows."""

import numpy as np
import pytest

pytest.importorskip("onnx.helper", reason="needs onnx: pip install 'cnnkit[onnx]'")

from onnx import helper, numpy_helper
from onnx_graphs import model, node, numbers

from cnnkit import onnx
from cnnkit.onnx.importer import OnnxNode
from cnnkit.storage import FormatError


def kinds(loaded):
    return [child.node.operator.name for child in loaded.children() if isinstance(child, OnnxNode)]


def test_the_arguments_of_pad_are_computed_when_the_file_is_read():
    """As PyTorch writes F.pad(x, (1, 2)): of a list of amounts, with the last axis first, ONNX's order."""
    nodes = [node("ConstantOfShape", ["missing"], ["zeros"], value=numpy_helper.from_array(np.array([0]))),
             node("Concat", ["amounts", "zeros"], ["all"], axis=0),
             node("Reshape", ["all", "pairs"], ["table"]),
             node("Slice", ["table", "end", "start", "first", "back"], ["mirrored"]),
             node("Transpose", ["mirrored"], ["turned"], perm=[1, 0]),
             node("Reshape", ["turned", "flat"], ["c"]),
             node("Cast", ["c"], ["pads"], to=7), node("Pad", ["x", "pads"], ["y"])]
    integers = {"missing": [4], "amounts": [1, 2], "pairs": [-1, 2], "end": [-1], "start": [-2**63],
                "first": [0], "back": [-1], "flat": [-1]}
    loaded = onnx.load(model(nodes, {"x": [1, 1, 3]},
                             **{name: np.array(values) for name, values in integers.items()}))
    assert kinds(loaded) == ["Pad"]
    assert loaded(np.ones((1, 1, 3), np.float32)).tolist() == [[[0, 1, 1, 1, 0, 0]]]


def test_a_weight_is_not_folded_away():
    loaded = onnx.load(model([node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])],
                             {"x": [1, 3]}, w=numbers(2, 3)))
    assert kinds(loaded) == ["Transpose", "MatMul"]
    assert list(loaded.state_dict()) == ["w"]


def test_nodes_that_nothing_reads_are_left_out():
    loaded = onnx.load(model([node("Relu", ["x"], ["unused"]), node("Neg", ["x"], ["y"])], {"x": [1]}))
    assert kinds(loaded) == ["Neg"]


def test_an_if_of_a_known_condition_is_its_branch():
    out = [helper.make_tensor_value_info("r", 1, None)]
    branches = [helper.make_graph([node("Add", ["x", name], ["r"])], name, [], out,
                                  [numpy_helper.from_array(numbers(2), name)]) for name in ("v", "w")]
    choice = node("If", ["flag"], ["y"], then_branch=branches[0], else_branch=branches[1])
    loaded = onnx.load(model([node("Not", ["no"], ["flag"]), choice], {"x": [2]}, no=np.array(False)))
    assert kinds(loaded) == ["Add", "Identity"]
    assert list(loaded.state_dict()) == ["v"]


@pytest.mark.parametrize("nodes", [
    [node("ConstantOfShape", ["large"], ["y"])],
    [node("Expand", ["one", "large"], ["y"])],
    [node("Tile", ["one", "large"], ["y"])],
    [node("Range", ["zero", "huge", "step"], ["y"])],
    [node("Pad", ["one", "large2"], ["y"])],
    [node("Expand", ["one", "row"], ["a"]), node("Reshape", ["a", "column"], ["b"]),
     node("Add", ["a", "b"], ["y"])],
    [node("Concat", ["one"] * 4, ["a0"], axis=0),
     *(node("Concat", [f"a{n}"] * 4, [f"a{n + 1}"], axis=0) for n in range(30)),
     node("Neg", ["a30"], ["y"])]])
def test_constants_take_no_more_room_than_the_file_allows(nodes):
    constants = {"large": np.array([2**40]), "large2": np.array([0, 2**40]), "one": np.array([1]),
                 "zero": np.array(0), "huge": np.array(2**60), "step": np.array(1),
                 "row": np.array([400_000]), "column": np.array([-1, 1])}
    proto = model([*nodes, node("Add", ["x", "y"], ["z"])], {"x": [1]}, ["z"], **constants)
    loaded = onnx.load(proto)  # what has no room is left for the call
    assert kinds(loaded)[-1] == "Add"
    assert len(kinds(loaded)) > 1


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(FormatError, match=r"the node number 0 \(Reshape, opset 17\) cannot be computed"):
        onnx.load(model([node("Reshape", ["a", "b"], ["c"]), node("Add", ["x", "c"], ["y"])], {"x": [1]},
                        a=np.arange(3), b=np.array([2, 2])))
