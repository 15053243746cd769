"""Making axes dynamic: graphs of one model at several sizes differ in what follows from the sizes.

A model is traced with plain numbers for shapes, so that its Python code sees integers. Where the graph of a
larger batch has another constant, that constant follows from the batch: a shape to which something is
reshaped or stretched, say. It is replaced by what computes it when the graph runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnnkit.onnx.exporter.walking import replace_nodes, uses

__all__ = ["Symbol", "unify"]


class Symbol(NamedTuple):
    """A size that may vary: its name, where to read it, and its value in each of the graphs."""

    name: str
    source: tuple[str, int]  # an input of the graph, and its axis
    values: tuple[int, ...]


def unify(graphs: Sequence[Any], symbols: Sequence[Symbol], axes: Mapping[str, Mapping[int, str]]) -> Any:
    """The graph for all sizes, from the graphs at several of them.

    Parameters
    ----------
    graphs : sequence of onnx.ModelProto
        Of one model; the first is changed and returned.
    symbols : sequence of Symbol
    axes : mapping
        Input -> axis -> the name of its symbol.

    Raises
    ------
    ValueError
        If the graphs differ in anything that does not follow from the sizes; the message names the node and
        the symbol.
    """
    first = graphs[0]
    if len(graphs) > 1:
        _same_nodes(graphs, symbols)
        _Unifier(graphs, symbols).run()
        for value in first.graph.input:
            for axis, name in axes.get(value.name, {}).items():
                value.type.tensor_type.shape.dim[axis].dim_param = name
        for values in zip(*(graph.graph.output for graph in graphs)):
            _name_dims(values, symbols)
    return first


def _changed(symbols: Sequence[Symbol], graph: int) -> str:
    """The symbols that have another value in a graph than in the first."""
    return " and ".join(s.name for s in symbols if s.values[graph] != s.values[0])


def _same_nodes(graphs: Sequence[Any], symbols: Sequence[Symbol]) -> None:
    nodes = [list(graph.graph.node) for graph in graphs]
    for number, others in enumerate(nodes[1:], 1):
        what = _changed(symbols, number)
        for mine, theirs in zip(nodes[0], others):
            if (mine.op_type, *mine.input, *mine.output) != (theirs.op_type, *theirs.input, *theirs.output):
                _refuse(mine, what, "is not the same in the graph for another size")
            if mine.op_type != "Constant" and mine.attribute != theirs.attribute:
                _refuse(mine, what, "has other settings in the graph for another size")
        if len(nodes[0]) != len(others):
            raise ValueError(f"the graph has {len(nodes[0]):,} nodes, and {len(others):,} for another size "
                             f"of {what}: {_fix(what)}")


def _refuse(node: Any, what: str, problem: str) -> None:
    raise ValueError(f"the node {node.output[0]} ({node.op_type}) {problem}, so that one graph cannot serve "
                     f"all sizes of {what}: {_fix(what)}")


def _fix(what: str) -> str:
    return ("make no Python loop or branch go by that size, or export for one size with dynamic_batch=False"
            if what == "batch" else f"leave {what} out of dynamic_axes")


def _name_dims(values: Sequence[Any], symbols: Sequence[Symbol]) -> None:
    """Name the dimensions of an output that differ between the graphs."""
    shapes = [value.type.tensor_type.shape for value in values]
    for axis, dim in enumerate(shapes[0].dim):
        sizes = tuple(shape.dim[axis].dim_value for shape in shapes)
        if len({*sizes}) > 1:
            same = [s.name for s in symbols if s.values == sizes]
            dim.dim_param = same[0] if same else f"{values[0].name}_{axis}"


class _Unifier:
    """Goes through the constants that differ, and puts nodes in their places."""

    def __init__(self, graphs: Sequence[Any], symbols: Sequence[Symbol]):
        self.graphs, self.symbols = graphs, symbols
        self.nodes: list[Any] = []       # of the new graph
        self.made: dict[tuple, str] = {}  # what the new nodes compute -> its name
        self.shapes: list[dict[str, tuple[int, ...]]] = []

    def run(self) -> None:
        from onnx import numpy_helper

        first = self.graphs[0].graph
        users: dict[str, list[tuple[Any, int]]] = {}
        for node in first.node:
            for name in uses(node) - {*node.input}:
                users.setdefault(name, []).append((node, -1))
            for position, name in enumerate(node.input):
                users.setdefault(name, []).append((node, position))
        for nodes in zip(*(graph.graph.node for graph in self.graphs)):
            node = nodes[0]
            if node.op_type == "Constant" and any(n.attribute != node.attribute for n in nodes[1:]):
                values = [numpy_helper.to_array(n.attribute[0].t) for n in nodes]
                if len({(v.shape, v.tobytes()) for v in values}) > 1:
                    self._replace(node, values, users.get(node.output[0], []))
                    continue
            self.nodes.append(node)
        replace_nodes(first, self.nodes)

    def _replace(self, node: Any, values: list[np.ndarray], users: list[tuple[Any, int]]) -> None:
        """Compute a constant that follows from the sizes."""
        name = node.output[0]
        if len(users) == 1 and users[0][0].op_type == "Reshape" and users[0][1] == 1:
            short = self._target(users[0][0], values)
            if short is not None:
                self._constant(name, np.asarray(short, np.int64))
                return
        if values[0].ndim and len({v.shape for v in values}) > 1:
            self._stretched(node, values)
            return
        flat = [value.reshape(-1) for value in values]
        numbers = [tuple(number.item() for number in numbers) for numbers in zip(*flat)]
        vector = self._vector(node, numbers)
        if values[0].dtype != np.int64:
            vector = self._node("Cast", [vector], to=_code(values[0].dtype))
        shape = self._node("Reshape", [vector, self._made(np.asarray(values[0].shape, np.int64))])
        self._node("Identity", [shape], name)

    def _target(self, reshape: Any, values: list[np.ndarray]) -> list[int] | None:
        """The target of a Reshape with 0 for sizes that stay and one -1, where that says all."""
        source = [shapes.get(reshape.input[0], ()) for shapes in self._shapes()]
        target: list[int] = []
        for axis, sizes in enumerate(zip(*(value.tolist() for value in values))):
            if len({*sizes}) == 1:
                target.append(sizes[0])
                continue
            same = all(len(shape) > axis and shape[axis] == n for shape, n in zip(source, sizes))
            target.append(0 if same else -1)
        if target.count(-1) > 1:
            return None
        if -1 not in target and target.count(0) == 1:  # -1 says it whatever comes before
            target[target.index(0)] = -1
        return target

    def _stretched(self, node: Any, values: list[np.ndarray]) -> None:
        """A constant with as many elements as a size says, which must be equal along that axis."""
        shapes = list(zip(*(value.shape for value in values)))
        if len({value.ndim for value in values}) > 1:
            self._fail(node)
        small = values[0][tuple(slice(1) if len({*sizes}) > 1 else slice(None) for sizes in shapes)]
        floats = small.dtype.kind == "f"
        if not all(np.array_equal(np.broadcast_to(small, value.shape), value, floats) for value in values):
            self._fail(node)
        self._node("Expand", [self._made(small), self._vector(node, shapes)], node.output[0])

    def _vector(self, node: Any, numbers: Sequence[tuple]) -> str:
        """A vector of int64, of numbers given by their values in each graph."""
        parts: list[str] = []
        plain: list[int] = []
        for values in numbers:
            if len({*values}) == 1 and float(values[0]).is_integer():
                plain.append(int(values[0]))
                continue
            if plain:
                parts.append(self._made(np.asarray(plain, np.int64)))
                plain = []
            parts.append(self._size(node, values))
        if plain:
            parts.append(self._made(np.asarray(plain, np.int64)))
        return parts[0] if len(parts) == 1 else self._node("Concat", parts, axis=0)

    def _size(self, node: Any, values: tuple) -> str:
        """A vector of the one number that is a multiple of a symbol."""
        for symbol in self.symbols:
            factors = {value / size for value, size in zip(values, symbol.values)}
            if len(factors) == 1 and (factor := factors.pop()).is_integer():
                name, axis = symbol.source
                size = self._node("Shape", [name], start=axis, end=axis + 1)
                if factor == 1:
                    return size
                return self._node("Mul", [size, self._made(np.asarray([int(factor)], np.int64))])
        return self._fail(node)

    def _fail(self, node: Any) -> Any:
        from onnx import numpy_helper

        others = [next(n for n in graph.graph.node if n.output == node.output) for graph in self.graphs]
        number = next(i for i, other in enumerate(others) if other.attribute != node.attribute)
        mine, theirs = (numpy_helper.to_array(n.attribute[0].t) for n in (node, others[number]))
        user = next((n for n in self.graphs[0].graph.node if node.output[0] in n.input), node)
        what = _changed(self.symbols, number)
        return _refuse(user, what, f"takes a constant that is {_short(mine)} for one size and "
                                   f"{_short(theirs)} for another, no multiple of the size")

    # -- new nodes -------------------------------------------------------------------------------------------

    def _made(self, value: np.ndarray) -> str:
        key = ("Constant", value.dtype.str, value.shape, value.tobytes())
        if key not in self.made:
            self.made[key] = self._constant(f"size:{len(self.made)}", value)
        return self.made[key]

    def _constant(self, name: str, value: np.ndarray) -> str:
        from onnx import helper, numpy_helper

        self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value)))
        return name

    def _node(self, kind: str, inputs: Sequence[str], name: str = "", **attrs: Any) -> str:
        from onnx import helper

        key = (kind, *inputs, *sorted(attrs.items()))
        if not name and key in self.made:
            return self.made[key]
        name = name or f"size:{len(self.made)}"
        self.made.setdefault(key, name)
        self.nodes.append(helper.make_node(kind, inputs, [name], **attrs))
        return name

    def _shapes(self) -> list[dict[str, tuple[int, ...]]]:
        """The shapes of all values in each graph, as far as they are known."""
        if not self.shapes:
            from onnx import shape_inference

            for model in self.graphs:
                graph = shape_inference.infer_shapes(model, data_prop=True).graph
                self.shapes.append({v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
                                    for v in (*graph.input, *graph.value_info, *graph.output)})
        return self.shapes


def _short(value: np.ndarray) -> str:
    text = " ".join(str(value.tolist()).split())
    return text if len(text) < 60 else f"an array of shape {value.shape}"


def _code(dtype: np.dtype) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(dtype)
