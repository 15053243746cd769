"""Arrivals: leaves get their gradients while backward still goes on, each as soon as it is whole.

So gradients can be sent to other processes while others are computed. In the ordinary way all leaves get
theirs at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.autograd.tape import Node, mode
from cnnkit.autograd.value import Value

__all__ = ["Arrivals"]


class Arrivals:
    """For a block, or from `begin` to `end`: tells which leaves have got their ``grad``.

    Parameters
    ----------
    outputs : sequence of Tensor
        What backward begins with, or comes through.
    leaves : sequence of Tensor
        Those of whose gradients it tells, if the outputs were made from them.
    tell : callable
        Called with a leaf's place in the sequence, once nothing more is added to its gradient by what the
        outputs were made from.

    >>> import cnnkit
    >>> w, b = cnnkit.ones(1, requires_grad=True), cnnkit.ones(1, requires_grad=True)
    >>> loss = (w * 2 + b).sum()
    >>> with Arrivals([loss], [w, b], lambda n: print("wb"[n])):
    ...     loss.backward()
    b
    w
    """

    def __init__(self, outputs: Sequence[Any], leaves: Sequence[Value], tell: Callable[[int], Any]):
        self._tell, self._places = tell, {id(leaf): n for n, leaf in enumerate(leaves)}
        last: dict[int, tuple[int, Any]] = {}  # place of a leaf -> the number of the node that comes last
        for node in _nodes(outputs):
            for edge in node.edges:
                if edge is None or type(edge) is tuple or id(edge) not in self._places:
                    continue
                place = self._places[id(edge)]
                if place not in last or node.number < last[place][0]:
                    last[place] = node.number, edge
        self._after: dict[int, list[tuple[int, Any]]] = {}
        for place, (number, leaf) in last.items():
            self._after.setdefault(number, []).append((place, leaf))

    def begin(self) -> None:
        """From now on."""
        mode.passed = self._passed

    def end(self) -> None:
        """No longer."""
        mode.passed = None

    def __enter__(self) -> Arrivals:
        self.begin()
        return self

    def __exit__(self, *exc: object) -> None:
        self.end()

    def _passed(self, node: Node, gradients: dict) -> None:
        for place, leaf in self._after.pop(node.number, ()):
            gradient = gradients.pop(leaf, None)
            if gradient is not None:
                leaf._receive(gradient)
                self._tell(place)


def _nodes(outputs: Sequence[Any]) -> list[Node]:
    """All nodes that the outputs were made by."""
    found: dict[int, Node] = {}
    pending: list[Node] = []
    for output in outputs:
        output.array  # noqa: B018 - a pending result has no place on the tape yet
        if output._source is not None:
            pending.append(output._source[0])
    while pending:
        node = pending.pop()
        if id(node) not in found:
            found[id(node)] = node
            pending += [edge[0] for edge in node.edges if type(edge) is tuple]
    return list(found.values())
