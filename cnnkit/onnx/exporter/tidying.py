"""From a traced graph to the one that a person would draw: weights in it, no copies, names, one opset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.onnx.exporter.walking import every_node, rename, replace_nodes, unlike, uses

__all__ = ["lower", "tidy"]

Model = Any  # onnx.ModelProto
COPIES = ("Identity",)
FEW = 4096  # elements of a constant that is computed, and not left to be when the graph runs


def tidy(model: Model, outputs: Sequence[str], names: Sequence[str],
         weights: Mapping[str, np.ndarray]) -> None:
    """Put the weights in, drop what no output needs, and name nodes after the layers that draw them.

    Parameters
    ----------
    model : onnx.ModelProto
        Its inputs are the model's and the weights'; it is changed.
    outputs, names : sequence of str
        The model's outputs, and the layers' results, which are outputs only to have a name.
    weights : mapping
    """
    from onnx import numpy_helper

    graph = model.graph
    _rename(graph, outputs, names)
    kept = [value for value in graph.output if value.name in set(outputs)]
    del graph.output[:]
    graph.output.extend(sorted(kept, key=lambda value: list(outputs).index(value.name)))
    _prune(graph)
    used = {name for node in graph.node for name in uses(node)} | {*outputs}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(value), name)
                             for name, value in weights.items() if name in used)
    _constants(graph)
    _name_rest(graph, {*outputs, *names})
    for node in graph.node:
        node.name = node.output[0]
    model.producer_name, graph.name = "cnnkit", graph.name


def _rename(graph: Any, outputs: Sequence[str], names: Sequence[str]) -> None:
    """Let values have the names of the outputs that are copies of them."""
    inputs = {value.name for value in graph.input}
    new: dict[str, str] = {}
    for wanted in (*outputs, *names):
        copy = next((node for node in graph.node if node.output[0] == wanted), None)
        if copy is not None and copy.op_type in COPIES and copy.input[0] not in inputs:
            new.setdefault(copy.input[0], wanted)
    nodes = [node for node in graph.node
             if not (node.op_type in COPIES and new.get(node.input[0]) == node.output[0])]
    for node in nodes:
        rename(node, new)
    replace_nodes(graph, nodes)


def _prune(graph: Any) -> None:
    """Drop nodes whose results nobody needs."""
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed & {*node.output}:
            while node.output[-1] not in needed:
                del node.output[-1]
            kept.append(node)
            needed |= uses(node)
    replace_nodes(graph, reversed(kept))


def _constants(graph: Any) -> None:
    """Write constants as initializers, equal ones once, compute those made of others, and drop copies."""
    from onnx import numpy_helper

    outputs = {value.name for value in graph.output}
    taken = {value.name for value in (*graph.initializer, *graph.input)}
    taken |= {name for node in every_node(graph) for name in node.output}
    known: dict[bytes, str] = {}
    values: dict[str, np.ndarray] = {}  # of constants
    renamed: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        rename(node, renamed)
        name = node.output[0]
        value = None if name in outputs else _value(node, values)
        if value is not None:
            key = str((value.dtype, value.shape)).encode() + value.tobytes()
            if key not in known:
                known[key] = unlike(f"constant_{len(known)}", taken)
                values[known[key]] = value
            renamed[name] = known[key]
        elif node.op_type in COPIES and name not in outputs:
            renamed[name] = node.input[0]
        else:
            nodes.append(node)
    replace_nodes(graph, nodes)
    used = {name for node in graph.node for name in uses(node)}
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items()
                             if name in used)


def _value(node: Any, values: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """What a node gives, where that is a small constant."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "Constant":
        return numpy_helper.to_array(node.attribute[0].t) if node.attribute[0].HasField("t") else None
    if len(node.output) > 1 or not node.input or not all(name in values for name in uses(node) if name):
        return None
    given = {name: values[name] for name in node.input if name}
    result = np.asarray(ReferenceEvaluator(node).run(None, given)[0])
    return result if result.size <= FEW else None


def _name_rest(graph: Any, named: set[str]) -> None:
    """Name what has no name after what it is for: ``conv1.relu.Sub`` leads to ``conv1.relu``."""
    taken = {name for node in every_node(graph) for name in (*node.input, *node.output)}
    new: dict[str, str] = {}
    goals: dict[str, str] = {}  # value -> the name of what it is for
    for node in reversed(graph.node):
        goal = goals.get(node.output[0], node.output[0]) if node.output[0] not in named else node.output[0]
        for name in sorted(uses(node)):
            goals.setdefault(name, goal)
        for name in node.output:
            if name not in named:
                wanted, count = f"{goal}.{node.op_type}", 0
                while wanted in taken:
                    wanted, count = f"{goal}.{node.op_type}_{count + 1}", count + 1
                taken.add(wanted)
                new[name] = wanted
    for node in graph.node:
        rename(node, new)


# -- the opset -----------------------------------------------------------------------------------------------

def lower(model: Model, least: int) -> int:
    """Declare the lowest opset from `least` on in which every operator is what was drawn; return it."""
    from onnx import defs

    written = next(entry.version for entry in model.opset_import if entry.domain == "")
    for opset in range(least, defs.onnx_opset_version() + 1):
        changes = [_as_in(model.graph, node, written, opset) for node in every_node(model.graph)]
        if None not in changes:
            break
    else:
        raise ValueError(f"no opset from {least} to {defs.onnx_opset_version()} has all operators of this "
                         "model; give a lower opset")
    for change in changes:
        change()  # type: ignore[misc]
    del model.opset_import[:]
    model.opset_import.add(domain="", version=opset)
    return opset


def _as_in(graph: Any, node: Any, written: int, opset: int) -> Any:
    """What makes a node of one opset one of another, or ``None`` where nothing does."""
    from onnx import defs, helper, numpy_helper

    mine = defs.get_schema(node.op_type, written)
    try:
        theirs = defs.get_schema(node.op_type, opset)
    except defs.SchemaError:
        return None
    default = [a for a in node.attribute if a.name in mine.attributes
               and mine.attributes[a.name].default_value.type
               and helper.get_attribute_value(mine.attributes[a.name].default_value)
               == helper.get_attribute_value(a)]
    rest = [a for a in node.attribute if a not in default]
    axes = None
    if len(node.input) > theirs.max_input and node.op_type.startswith("Reduce"):  # axes were an attribute
        values = [t for t in graph.initializer if t.name == node.input[1]]
        if not values or "axes" not in theirs.attributes:
            return None
        axes = numpy_helper.to_array(values[0]).tolist()
    elif len(node.input) > theirs.max_input:
        return None
    if any(a.name not in theirs.attributes for a in rest):
        return None
    if any(name not in mine.attributes or theirs.attributes[name].default_value
           != mine.attributes[name].default_value for name in theirs.attributes
           if name != "axes" and name in {a.name for a in default}):
        return None

    def change() -> None:
        for attribute in default:
            node.attribute.remove(attribute)
        if axes is not None:
            del node.input[1:]
            node.attribute.append(helper.make_attribute("axes", axes))
    return change
