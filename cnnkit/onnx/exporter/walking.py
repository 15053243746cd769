"""Names of values, and nodes with graphs inside (branches of If), which use values of the graph around."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ["every_node", "rename", "replace_nodes", "unlike", "uses"]


def _inside(node: Any) -> Iterator[Any]:
    """The nodes of the graphs inside a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield from every_node(attribute.g)


def every_node(graph: Any) -> Iterator[Any]:
    """The nodes of a graph, and those inside them."""
    for node in graph.node:
        yield node
        yield from _inside(node)


def uses(node: Any) -> set[str]:
    """The names of all values that a node needs; those of its own inner values too."""
    return {*node.input, *(name for inner in _inside(node) for name in inner.input),
            *(value.name for a in node.attribute if a.HasField("g") for value in a.g.output)}


def rename(node: Any, names: Mapping[str, str]) -> None:
    """Give the values that a node takes and makes, also inside, their new names."""
    for inner in (node, *_inside(node)):
        for values in (inner.input, inner.output):
            for position, name in enumerate(values):
                if name in names:
                    values[position] = names[name]


def unlike(name: str, taken: set[str]) -> str:
    """A name that is not taken; it is from now on."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def replace_nodes(graph: Any, nodes: Iterable[Any]) -> None:
    """Let a graph have these nodes, some of which may be its own."""
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
