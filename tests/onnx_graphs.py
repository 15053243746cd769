"""Small ONNX models, written down in a line or two."""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

node = helper.make_node


def model(nodes: list[NodeProto], inputs: dict, outputs: list[str] | None = None, opset: int = 17,
          **constants) -> ModelProto:
    """A model of these nodes.

    Inputs are names with shapes, of float32, or with arrays, whose shapes and dtypes they have. The last
    node's first output is the model's, unless `outputs` names others. In names of constants, ``__`` is a dot.
    """
    def declared(name, like):
        if isinstance(like, np.ndarray):
            kind = helper.np_dtype_to_tensor_dtype(like.dtype)
            return helper.make_tensor_value_info(name, kind, like.shape)
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, like)

    made = [ValueInfoProto(name=name) for name in outputs or [nodes[-1].output[0]]]
    graph = helper.make_graph(nodes, "net", [declared(*pair) for pair in inputs.items()], made,
                              [numpy_helper.from_array(np.asarray(array), name.replace("__", "."))
                               for name, array in constants.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def numbers(*shape, seed=0):
    """Random float32 numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
