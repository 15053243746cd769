"""What can be computed before there is an input: exporters make the arguments of Pad of many nodes.

Operators that are `foldable` are computed on the host where all their inputs are constants but no weights,
within a room that goes by the file's size; where there is none, the node stays. Nodes that nothing reads are
left out, and an If whose condition is known is replaced by its branch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from cnnkit.autograd import Tensor, no_grad
from cnnkit.onnx.importer.calling import call
from cnnkit.onnx.importer.declaration import operator_for
from cnnkit.onnx.importer.graph import Graph, Node
from cnnkit.onnx.importer.host import TooLarge, host, room, room_for
from cnnkit.onnx.importer.source import Source

__all__ = ["fold"]

ROOM = 1 << 20  # elements that all constants that are computed may have, whatever the file's size


def fold(graph: Graph, source: Source) -> tuple[Graph, dict[str, Tensor]]:
    """The graph without what is known beforehand, and the values that were computed, by name.

    The constants of graphs within it become its own.

    Raises
    ------
    FormatError
        If a node cannot be computed on its constants.
    """
    folding = _Folding(source)
    with room_for(max(ROOM, source.size)), no_grad():
        graph = folding.graph(graph)
    used = {name for node in graph.every_node() for name in node.inputs} | {*graph.outputs}
    constants = {name: array for name, array in folding.constants.items() if name in used}
    return (replace(graph, constants=constants),
            {name: value for name, value in folding.computed.items() if name in used})


class _Folding:
    """What is known so far: constants of the file, and `known` also what was computed of them."""

    def __init__(self, source: Source):
        self.source = source
        self.constants: dict[str, np.ndarray] = {}
        self.known: dict[str, Tensor] = {}
        self.computed: dict[str, Tensor] = {}

    def graph(self, graph: Graph) -> Graph:
        self.constants |= graph.constants
        self.known |= {name: host(array) for name, array in graph.constants.items() if not _is_weight(array)}
        nodes = [kept for node in graph.nodes for kept in self.node(node)]
        return replace(graph, nodes=_live(nodes, graph.outputs), constants={})

    def node(self, node: Node) -> Iterable[Node]:
        """What is left of a node."""
        if node.operator.name == "If":
            return self.choice(node)
        if node.operator.name == "Identity" and node.inputs[0] in self.constants:
            return self.separate(node)
        if not node.operator.foldable or not all(name in self.known for name in node.inputs if name):
            return [node]
        try:
            results = call(node, [self.known[name] if name else None for name in node.inputs], training=False)
            results = results if isinstance(results, tuple) else (results,)
            for value in results:
                room(value.shape)
        except TooLarge:
            return [node]
        except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError) as error:
            raise self.source.error(f"the node {node} cannot be computed: {error}") from error
        fresh = {name: value for name, value in zip(node.outputs, results) if name}
        self.known |= fresh
        self.computed |= fresh
        return []

    def separate(self, node: Node) -> Iterable[Node]:
        """A constant under another name becomes a constant of its own.

        PyTorch writes weights that are equal once; where it trained them, they were several.
        """
        array = self.constants[node.inputs[0]]
        try:
            room(array.shape)
        except TooLarge:
            return [node]
        self.constants[node.outputs[0]] = array
        if not _is_weight(array):
            self.known[node.outputs[0]] = host(array)
        return []

    def choice(self, node: Node) -> Iterable[Node]:
        """The nodes of the branch that an If takes; or the If of folded branches, where that is unknown."""
        condition = self.known.get(node.inputs[0])
        if any(len(branch.outputs) != len(node.outputs) or branch.inputs for branch in node.branches) or (
                condition is not None and condition.numel() != 1):
            raise self.source.error(f"the node {node} has a branch with other inputs or outputs than the If, "
                                    "or a condition that is not one truth value")
        if condition is not None:
            branch = self.graph(node.attributes["then_branch" if condition.item() else "else_branch"])
            return [*branch.nodes, *self.renamed(node, branch.outputs)]
        attributes = {name: self.graph(branch) for name, branch in node.attributes.items()}
        read = dict.fromkeys(name for branch in attributes.values() for name in branch.read)
        return [replace(node, attributes=attributes, inputs=(node.inputs[0], *read))]

    def renamed(self, node: Node, names: Sequence[str]) -> Iterable[Node]:
        """A branch's results under the names that the If gives them."""
        identity = operator_for("Identity", node.opset)
        assert identity is not None
        for inner, outer in zip(names, node.outputs):
            if inner in self.known:
                self.known[outer] = self.computed[outer] = self.known[inner]
            elif outer:
                yield Node(node.title, identity, node.opset, (inner,), (outer,), {})


def _is_weight(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" and array.ndim > 0 and array.size > 1


def _live(nodes: Sequence[Node], outputs: Iterable[str]) -> tuple[Node, ...]:
    """The nodes of which something is read."""
    needed, kept = {*outputs}, []
    for node in reversed(nodes):
        if needed.intersection(node.outputs) - {""}:
            kept.append(node)
            needed.update(node.inputs)
    return tuple(reversed(kept))
