"""ONNX files that are damaged where it matters: structure, names, shapes, attributes and external data."""

from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, save_model

import cnnkit.onnx

HUGE = (-1, 0, 1, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -2**63)
NAMES = ("", "x", "w", "y", "nobody", "../../etc/passwd", "a" * 5000, "\x1b[2J", ".".join("ab" * 200))
LOCATIONS = ("../w.bin", "/etc/passwd", "sub/../../w.bin", "", ".", "nothing.bin", "\0", "link.bin", "m.onnx")


def sound_model(folder):
    """The path of a small net as exporters write them: shapes that are computed, external data, an If."""
    rng = np.random.default_rng(0)

    def weight(name, *shape, dtype=np.float32):
        return numpy_helper.from_array(rng.normal(size=shape).astype(dtype), name)

    def integers(name, *values):
        return numpy_helper.from_array(np.array(values, np.int64), name)

    weights = [weight("conv.weight", 4, 2, 3, 3), weight("conv.bias", 4), weight("bn.weight", 4),
               weight("bn.bias", 4), weight("bn.mean", 4), weight("bn.var", 4),
               weight("fc.weight", 3, 64), integers("first", 0), integers("minus", -1), integers("one", 1),
               integers("start", 0), integers("size", 3, 2), integers("times", 4), weight("slope", 1)]
    node = helper.make_node
    branch = [helper.make_graph([node(kind, ["pooled"], [f"{kind}.y"])], kind, [],
                                [helper.make_tensor_value_info(f"{kind}.y", 1, None)])
              for kind in ("Relu", "Identity")]
    nodes = [
        node("Conv", ["x", "conv.weight", "conv.bias"], ["c"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        node("BatchNormalization", ["c", "bn.weight", "bn.bias", "bn.mean", "bn.var"], ["b"], epsilon=1e-5),
        node("PRelu", ["b", "slope"], ["r"]),
        node("MaxPool", ["r"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Constant", [], ["filled"], value=integers("", 3, 2)),
        node("ConstantOfShape", ["filled"], ["zeros"], value=integers("", 7)),
        node("Expand", ["zeros", "size"], ["expanded"]), node("Tile", ["size", "times"], ["tiled"]),
        node("Range", ["first0", "last0", "step0"], ["range"]),
        node("Equal", ["one", "one"], ["equal"]), node("Squeeze", ["equal"], ["flag"]),
        node("If", ["flag"], ["chosen"], then_branch=branch[0], else_branch=branch[1]),
        node("Shape", ["chosen"], ["shape"]), node("Slice", ["shape", "start", "one"], ["batch"]),
        node("Concat", ["batch", "minus"], ["rows"], axis=0), node("Reshape", ["chosen", "rows"], ["flat"]),
        node("Gemm", ["flat", "fc.weight"], ["y"], transB=1)]
    scalars = [numpy_helper.from_array(np.array(n, np.int64), name)
               for name, n in (("first0", 0), ("last0", 5), ("step0", 1))]
    images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 8, 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    others = [helper.make_tensor_value_info(name, TensorProto.INT64, None)
              for name in ("expanded", "tiled", "range")]
    graph = helper.make_graph(nodes, "net", [images], [result, *others], [*weights, *scalars])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = Path(folder) / "m.onnx"
    save_model(model, path, save_as_external_data=True, location="w.bin", size_threshold=500)
    (Path(folder) / "link.bin").symlink_to("/etc/passwd")
    return path


def read(path):
    """Load a model, and look at it."""
    repr(cnnkit.onnx.load(path))


def crafted(content, draw):
    """A message that can be parsed, in which something is not what it should be."""
    proto = ModelProto.FromString(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        draw.choice((_tensor, _node, _names, _attribute, _opset, _place))(proto.graph, proto, draw)
    return proto.SerializeToString()


def _tensor(graph, proto, draw):
    tensor = draw.choice(graph.initializer)
    how = draw.randrange(4)
    if how == 0 and tensor.dims:
        tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(HUGE)
    elif how == 1:
        tensor.dims.extend([draw.choice(HUGE)] * draw.choice((1, 2, 100)))
    elif how == 2:
        tensor.data_type = draw.randrange(30)
    else:
        values = np.array([draw.choice(HUGE) for _ in range(draw.choice((1, 2)))], np.int64)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _node(graph, proto, draw):
    node = draw.choice(graph.node)
    how = draw.randrange(4)
    if how == 0:
        node.op_type = draw.choice(("Relu", "Loop", "Add", "Resize", "Pad", "Tile", "If", "Constant"))
    elif how == 1:
        graph.node.remove(node)
    elif how == 2:
        graph.node.append(node)
    else:
        node.domain = draw.choice(("", "ai.onnx", "com.example"))


def _names(graph, proto, draw):
    node = draw.choice(graph.node)
    names = draw.choice((node.input, node.output))
    every = [name for other in graph.node for name in (*other.input, *other.output)]
    if names and draw.random() < 0.7:
        names[draw.randrange(len(names))] = draw.choice((*NAMES, *every))
    else:
        names.append(draw.choice((*NAMES, *every)))


def _attribute(graph, proto, draw):
    node = draw.choice(graph.node)
    if not node.attribute or draw.random() < 0.3:
        node.attribute.append(helper.make_attribute(draw.choice(("axis", "pads", "x")), draw.choice(HUGE)))
        return
    attribute = draw.choice(node.attribute)
    how = draw.randrange(4)
    if how == 0:
        attribute.name = draw.choice(NAMES)
    elif how == 1:
        attribute.type = draw.randrange(1, 15)
    elif how == 2 and attribute.ints:
        attribute.ints[draw.randrange(len(attribute.ints))] = draw.choice(HUGE)
    else:
        attribute.i, attribute.f, attribute.s = draw.choice(HUGE), float("nan"), b"\xff\xfe"


def _opset(graph, proto, draw):
    proto.opset_import[0].version = draw.choice((*range(-1, 31), 10**9))


def _place(graph, proto, draw):
    outside = [tensor for tensor in graph.initializer if tensor.external_data]
    if not outside:
        return
    entry = draw.choice(draw.choice(outside).external_data)
    entry.value = draw.choice(LOCATIONS) if entry.key == "location" else str(draw.choice((*HUGE, "x", "")))
