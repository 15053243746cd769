"""The graph of a model's layers, in TensorBoard's form."""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.nn import Module
from cnnkit.train.replay import replay

__all__ = ["graph_event"]


def graph_event(model: Module, x: Tensor) -> Any:
    """An event with a GraphDef, as tensorboardX's file writer takes it.

    Every layer without layers inside is a node; it has an edge from each layer whose result it gets, and
    where a function came in between, from the layer that was called before it.
    """
    from tensorboardX.proto.attr_value_pb2 import AttrValue
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.graph_pb2 import GraphDef
    from tensorboardX.proto.node_def_pb2 import NodeDef
    from tensorboardX.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboardX.proto.versions_pb2 import VersionDef

    def shape_of(tensor: Tensor) -> AttrValue:
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in tensor.shape])
        return AttrValue(list=AttrValue.ListValue(shape=[shape]))

    nodes = [NodeDef(name="input", op="input", attr={"_output_shapes": shape_of(x)})]
    made: list[tuple[Any, str]] = [(x, "input")]  # with the Tensors, so that each keeps its identity
    used: set[str] = set()

    def add(name: str, layer: Module, inputs: tuple, output: Any) -> None:
        path = (name or type(layer).__name__).replace(".", "/")
        while path in used:
            path += "_again"
        used.add(path)
        sources = [next((node for tensor, node in made if tensor is value), "") for value in inputs]
        edges = [source for source in dict.fromkeys(sources) if source] or [nodes[-1].name]
        node = NodeDef(name=path, op=type(layer).__name__, input=edges)
        node.attr["settings"].s = layer.extra_repr().encode()
        if isinstance(output, Tensor):
            node.attr["_output_shapes"].CopyFrom(shape_of(output))
            made.append((output, path))
        nodes.append(node)

    replay(model, [x], add)
    graph = GraphDef(node=nodes, versions=VersionDef(producer=22))
    return Event(graph_def=graph.SerializeToString())
