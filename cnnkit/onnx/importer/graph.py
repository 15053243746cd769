"""A model's graph as plain data, checked: every operator is known, every value made once and before use."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnkit.onnx.importer.constants import DTYPES, array_of
from cnnkit.onnx.importer.declaration import OPERATORS, Operator, operator_for
from cnnkit.onnx.importer.narrow import NARROW
from cnnkit.onnx.importer.source import Source

__all__ = ["NEWEST", "Graph", "Input", "Node", "read_graph"]

NEWEST = 28  # the last version of the operator set that is read
DOMAINS = ("", "ai.onnx")
DEEPEST = 8  # graphs within graphs

FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS = range(1, 9)  # AttributeProto.AttributeType
KINDS = {"float": FLOAT, "int": INT, "str": STRING, "Array": TENSOR, "Graph": GRAPH, "Floats": FLOATS,
         "Ints": INTS}
NAMES = {kind: name for name, kind in KINDS.items()} | {STRINGS: "strings"}


@dataclass(frozen=True)
class Input:
    """An input of a graph: its name, its dtype's name, and its shape, with ``None`` for what may vary."""

    name: str
    dtype: str | None
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Node:
    """One call of an operator: names of its inputs ("" where one is left out) and outputs, its attributes."""

    title: str
    operator: Operator
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.title} ({self.operator.name}, opset {self.opset})"


    @property
    def branches(self) -> tuple[Graph, ...]:
        """The graphs that the node chooses from: of an If, two."""
        return tuple(value for value in self.attributes.values() if isinstance(value, Graph))


@dataclass(frozen=True)
class Graph:
    """A graph: its inputs without those that have a constant as default, its constants, nodes and outputs.

    Names are unique among a graph and all those within it. Inputs and outputs of a narrow dtype are rounded
    to it: `narrow` has the dtypes' numbers by name.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray] = field(repr=False)
    narrow: Mapping[str, int] = field(default_factory=dict)

    @property
    def read(self) -> tuple[str, ...]:
        """The names that it reads and does not make: those of the graph around it."""
        made = {*self.constants, *(value.name for value in self.inputs),
                *(name for node in self.nodes for name in node.outputs)}
        names = (*(name for node in self.nodes for name in node.inputs), *self.outputs)
        return tuple(dict.fromkeys(name for name in names if name and name not in made))

    def every_node(self) -> Iterator[Node]:
        """The nodes, and those of the graphs within."""
        for node in self.nodes:
            yield node
            for branch in node.branches:
                yield from branch.every_node()


def read_graph(proto: Any, source: Source) -> Graph:
    """The graph of a ``ModelProto``.

    Raises
    ------
    FormatError
        If it is damaged; or asks for what is not read: an operator or an operator set that is unknown, an
        attribute that the operator does not have; a value that is not made before it is used, which a circle
        never is.
    """
    opset = next((entry.version for entry in proto.opset_import if entry.domain in DOMAINS), None)
    if opset is None or not 1 <= opset <= NEWEST:
        raise source.error(f"it is of opset {opset}; those up to {NEWEST} are read. Export or "
                           "convert it anew (onnx.version_converter)")
    return _Reader(source, opset).graph(proto.graph, {}, 0)


class _Reader:
    def __init__(self, source: Source, opset: int):
        self.source, self.opset = source, opset
        self.names: set[str] = set()  # of all graphs so far
        self.numbers: dict[str, int] = {}
        self.narrow: dict[str, int] = {}  # unique name -> the number of its dtype, where that is narrow

    def graph(self, proto: Any, outer: Mapping[str, str], depth: int) -> Graph:
        """A graph within others, whose names `outer` translates to those that are unique."""
        if depth > DEEPEST:
            raise self.source.error(f"it has graphs within graphs, more than {DEEPEST} deep")
        if len(proto.sparse_initializer):
            raise self.source.error("it has sparse tensors, which cnnkit does not read")
        known, defined = dict(outer), set[str]()
        constants = {self.new(tensor.name, known, defined, "a tensor"): array_of(tensor, self.source)
                     for tensor in proto.initializer}
        inputs = tuple(self.input(value, self.new(value.name, known, defined, "an input"))
                       for value in proto.input if known.get(value.name) not in constants)
        for tensor in proto.initializer:
            self.note(known[tensor.name], tensor.data_type)
        for value in proto.input:
            self.note(known[value.name], value.type.tensor_type.elem_type)
        said = {value.name: value.type.tensor_type.elem_type for value in (*proto.value_info, *proto.output)}
        nodes, later = [], {name for node in proto.node for name in node.output}
        for number, node in enumerate(proto.node):
            nodes.append(self.node(node, number, known, defined, later, depth))
            for name in node.output:
                self.note(known.get(name, ""), said.get(name, 0))
        if not proto.output:
            raise self.source.error("its graph has no output")
        for value in proto.output:
            if value.name not in known:
                raise self.source.error(f"its output {value.name!r} is made by no node")
        outputs = tuple(known[value.name] for value in proto.output)
        narrow = {name: self.narrow[name] for name in (*(value.name for value in inputs), *outputs)
                  if name in self.narrow}
        return Graph(inputs, outputs, tuple(nodes), constants, narrow)

    def note(self, name: str, dtype: int) -> None:
        """Remember a narrow dtype."""
        if dtype in NARROW:
            self.narrow[name] = dtype

    def new(self, name: str, known: dict[str, str], defined: set[str], what: str) -> str:
        """The unique name of what a graph makes."""
        if not name or name in defined:
            raise self.source.error(f"{what} has the name of another, {name!r}" if name
                                    else f"{what} has no name")
        unique = name
        while unique in self.names:  # a name of a graph beside this one
            self.numbers[name] = self.numbers.get(name, 0) + 1
            unique = f"{name}_{self.numbers[name]}"
        self.names.add(unique)
        defined.add(name)
        known[name] = unique
        return unique

    def input(self, value: Any, name: str) -> Input:
        if not value.type.HasField("tensor_type"):
            if value.type.WhichOneof("value") is None:
                return Input(name, None, None)
            raise self.source.error(f"its input {value.name!r} is no tensor, but a sequence, a map or a "
                                    "sparse or optional value, which cnnkit does not read")
        tensor = value.type.tensor_type
        dtype = DTYPES[tensor.elem_type][0] if tensor.elem_type in DTYPES else None
        shape = (tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
                       for d in tensor.shape.dim) if tensor.HasField("shape") else None)
        return Input(name, dtype, shape)

    def node(self, proto: Any, number: int, known: dict[str, str], defined: set[str], later: Collection[str],
             depth: int) -> Node:
        title = repr(proto.name) if proto.name else f"number {number}"
        declared = self.declared(proto, title)
        inputs, outputs = _trimmed(proto.input), _trimmed(proto.output)
        node = Node(title, declared, self.opset, inputs, outputs, {})
        for name in inputs:
            if name and name not in known:
                raise self.source.error(
                    f"the node {node} reads {name!r}, which " +
                    ("is made only after it: its nodes form a circle, or are not in order" if name in later
                     else "nothing makes"))
        if not declared.variadic and len(inputs) > len(declared.inputs):
            raise self.source.error(f"the node {node} has {len(inputs)} inputs; the operator takes "
                                    f"{len(declared.inputs)}")
        if any(position >= len(inputs) or not inputs[position] for position in range(declared.required)) or (
                (declared.variadic and not all(inputs)) or not (inputs or declared.name == "Constant")):
            raise self.source.error(f"the node {node} lacks an input; the operator needs "
                                    f"{', '.join(declared.inputs[:max(declared.required, 1)])}")
        if not outputs:
            raise self.source.error(f"the node {node} makes no output")
        attributes = self.attributes(proto.attribute, node, known, depth)
        unique = tuple(known[name] if name else "" for name in inputs)
        graphs = [value for value in attributes.values() if isinstance(value, Graph)]
        unique += tuple(dict.fromkeys(name for graph in graphs for name in graph.read))
        made = tuple(self.new(name, known, defined, f"an output of the node {node}") if name else ""
                     for name in outputs)
        if declared.name == "CastLike" and unique[1] in self.narrow:
            attributes["to"], unique = self.narrow[unique[1]], unique[:1]
            cast = operator_for("Cast", self.opset)
            assert cast is not None
            declared = cast
        if declared.name == "Cast":
            self.note(made[0], attributes["to"])
        return Node(title, declared, self.opset, unique, made, attributes)

    def declared(self, proto: Any, title: str) -> Operator:
        found = operator_for(proto.op_type, self.opset) if proto.domain in DOMAINS else None
        if found is None:
            other = [f"{o.since} to {min(o.until, NEWEST)}" for o in OPERATORS.get(proto.op_type, ())]
            domain = "" if proto.domain in DOMAINS else f" of the domain {proto.domain!r}"
            raise self.source.error(
                f"the node {title} is of the operator {proto.op_type!r}{domain} of opset {self.opset}, which "
                "cnnkit does not have; " + (f"it has that of opset {' and '.join(other)}"
                                            if other and not domain else
                                            "docs/onnx.md lists those that it has"))
        return found

    def attributes(self, protos: Iterable[Any], node: Node, known: Mapping[str, str],
                   depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for proto in protos:
            if proto.name not in node.operator.attributes:
                has = ", ".join(node.operator.attributes) or "none"
                raise self.source.error(f"the node {node} has the attribute {proto.name!r}, which cnnkit "
                                        f"does not know of this operator; it has {has}")
            kind = node.operator.attributes[proto.name][0]
            if proto.ref_attr_name or proto.type != KINDS[kind] or proto.name in values:
                raise self.source.error(f"the node {node} has the attribute {proto.name!r} of type "
                                        f"{NAMES.get(proto.type, proto.type)}, or twice; it must be one of "
                                        f"type {kind}")
            values[proto.name] = self.value(proto, node, known, depth)
        for name, (_, default) in node.operator.attributes.items():
            if default is inspect.Parameter.empty and name not in values:
                raise self.source.error(f"the node {node} lacks the attribute {name!r}")
        return values

    def value(self, proto: Any, node: Node, known: Mapping[str, str], depth: int) -> Any:
        if proto.type == INT:
            return proto.i
        if proto.type == FLOAT:
            return proto.f
        if proto.type == INTS:
            return tuple(proto.ints)
        if proto.type == FLOATS:
            return tuple(proto.floats)
        if proto.type == STRING:
            try:
                return proto.s.decode("utf-8")
            except UnicodeDecodeError:
                raise self.source.error(f"the node {node} has the attribute {proto.name!r}, which is no "
                                        f"text: {proto.s[:20]!r}") from None
        if proto.type == TENSOR:
            return array_of(proto.t, self.source)
        return self.graph(proto.g, known, depth + 1)


def _trimmed(names: Iterable[str]) -> tuple[str, ...]:
    """Names without the empty ones at the end, which say that nothing is there."""
    kept = list(names)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)
