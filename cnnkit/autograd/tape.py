"""The tape: the calls that made a Tensor, and reverse-mode differentiation over them.

A node belongs to an op's call, not to a Tensor; it holds the op's own ``backward``, and an edge per
input: ``None`` (no gradient wanted), a leaf Tensor, or ``(node, output position)``. Nodes are numbered in
the order they were made, so the walk takes the highest number first and reaches each node after all its
gradients have arrived.
"""

from __future__ import annotations

import heapq
import itertools
import os
import threading
from collections.abc import Callable, Sequence
from operator import not_
from typing import Any

from cnnkit.backends import backend_of

__all__ = ["FunctionNode", "Handle", "Node", "afterwards", "end_backward", "is_grad_enabled", "mode", "now",
           "run_backward"]

_numbers = itertools.count(1)


def now() -> int:
    """The next number: nodes and changes in place are numbered in the order in which they come."""
    return next(_numbers)



class _Mode(threading.local):
    """Per thread: whether the tape records, whether a `Module.__call__` runs, its deferred calls, and the
    modules (by ``id``) that are evaluated, whatever their own mode is; inside `autocast`, the sixteen-bit
    dtype of each kind of device, and the parameters (by ``id``) that were converted; who notes the
    thread's step (a `cnnkit.capturing.recording.Recording`); and who is shown each node that backward has
    passed, with the leaves' gradients so far (an `Arrivals`).
    """

    grad: bool = True
    inside: bool = False
    evaluated: frozenset[int] = frozenset()
    casts: dict[str, str] | None = None
    kept_casts: dict[int, tuple[Any, ...]] | None = None
    recorder: Any = None
    passed: Callable[[Node, dict[Any, Any]], Any] | None = None

    def __init__(self) -> None:
        self.deferred: list[Any] = []
        self.afterwards: list[Callable[[], Any]] = []  # what the end of this backward pass is to call


mode: _Mode = _Mode()

adding = threading.RLock()  # held while a gradient is added to a leaf's


def _after_fork() -> None:
    """Give the child a lock that is free: the thread that holds the other one may have stayed behind."""
    global adding  # noqa: PLW0603
    adding = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def is_grad_enabled() -> bool:
    """Whether the tape records in this thread."""
    return mode.grad


class Handle:
    """What registering a hook returns: ``remove()``, or leaving a ``with`` block, takes the hook away."""

    def __init__(self, remove: Callable[[], Any]):
        self._remove: Callable[[], Any] | None = remove

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        remove, self._remove = self._remove, None
        if remove is not None:
            remove()

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class Node:
    """One op's call on the tape.

    Attributes
    ----------
    backward : callable or None
        The op's closure; ``None`` after it was used and freed.
    versions : list of (counter, value)
        The version counter of each Tensor whose values `backward` uses, and its value when the call was made.
    calls, constants : sequence
        The op, its attributes and how many arrays it takes, or those of each op of a fused kernel; and the
        arrays that need no gradient, whose edges are ``None``: what it takes to run them again, for gradients
        of gradients.
    detour : bool
        True where the result was used by a fused kernel that went around this node: no gradient comes
        back through it.
    """

    __slots__ = ("__weakref__", "backward", "calls", "constants", "detour", "edges", "hooks", "number",
                 "outputs", "retain", "versions")
    backward: Callable[..., Any]
    calls: Sequence[Any]
    edges: Sequence[Any]
    detour: bool
    outputs: int
    versions: list[Any]
    # of a user's own function: its gradients on traced arrays, and its results
    again: Callable | None = None
    results: tuple[Any, ...] | None = None

    def __init__(self, calls: Sequence[Any], backward: Callable[..., Any], arrays: Sequence[Any],
                 needs: Sequence[bool],
                 edges: Sequence[Any], versions: list[Any], outputs: int, detour: bool = False):
        self.calls, self.backward, self.edges = calls, backward, edges
        self.constants: tuple[Any, ...] = tuple(itertools.compress(arrays, map(not_, needs)))
        self.versions, self.outputs, self.detour = versions, outputs, detour
        self.number: int = next(_numbers)
        self.hooks: dict[int, list[Callable[..., Any]]] | None = None
        # output position -> weak reference to a Tensor that keeps its gradient (`retain_grad`)
        self.retain: dict[int, Any] | None = None

    @property
    def name(self) -> str:
        """The op's name; of a fused kernel, the names of its ops."""
        return "+".join(op.name for op, _, _ in self.calls)

    def __repr__(self) -> str:
        return f"<{self.name} backward>"

    def gradients(self, dys: list[Any], retain_graph: bool) -> Sequence[Any]:
        """Run this node's backward on the gradients of its outputs."""
        if self.backward is None:
            self.check()
        for counter, value in self.versions:
            if counter[0] != value:
                self.check()
        if self.hooks is not None or self.retain is not None:
            self.intercept(dys)
        dxs = self.backward(*dys)
        if not retain_graph:
            self.backward = None  # type: ignore[assignment]
        return dxs

    def check(self) -> None:
        """Refuse to go back a second time, and where what a gradient needs has changed in place."""
        if self.backward is None:
            raise RuntimeError(f"backward went through {self.name} a second time, but what it had saved was "
                               "freed by the first; call the first with backward(retain_graph=True)")
        for counter, value in self.versions:
            if counter[0] != value:
                raise RuntimeError(f"the gradient of {self.name} needs a Tensor that was changed in place "
                                   f"after {self.name} had used or made it; call backward() before the "
                                   "change, or make the change on a copy, x.clone()")

    def intercept(self, dys: list[Any]) -> None:
        """Let hooks see and replace the gradients of the outputs, and keep those that are to be kept."""
        if self.hooks is not None:
            for position, hooks in self.hooks.items():
                for hook in hooks:
                    if dys[position] is not None:
                        dys[position] = hook(dys[position])
        if self.retain is not None:
            for position, reference in self.retain.items():
                kept = reference()
                if kept is not None and dys[position] is not None:
                    kept._add_grad(dys[position])


class FunctionNode(Node):
    """A call of a user's own function."""

    __slots__ = ("again", "results")


def added(x: Any, y: Any) -> Any:
    """The sum of two gradients."""
    backend = backend_of(y)
    return backend.add(x, y) if mode.recorder is None else mode.recorder.add(backend, x, y)


def run_backward(node: Node, position: int, dy: Any, retain_graph: bool) -> None:
    """Walk the tape back from one output of `node`; then add the whole gradients to the leaves' ``grad``."""
    arrived: dict[Node, list] = {node: [None] * node.outputs}
    arrived[node][position] = dy
    heap = [(-node.number, node)]
    leaves: dict[Any, Any] = {}
    passed = mode.passed
    while heap:
        _, node = heapq.heappop(heap)
        dxs = node.gradients(arrived.pop(node), retain_graph)
        for edge, dx in zip(node.edges, dxs):
            if edge is None or dx is None:
                continue
            if type(edge) is tuple:
                parent, parent_position = edge
                dys = arrived.get(parent)
                if dys is None:
                    dys = arrived[parent] = [None] * parent.outputs
                    heapq.heappush(heap, (-parent.number, parent))
                other = dys[parent_position]
                dys[parent_position] = dx if other is None else added(other, dx)
            else:
                total = leaves.get(edge)
                leaves[edge] = dx if total is None else added(total, dx)
        if passed is not None:
            passed(node, leaves)
        if not retain_graph:
            node.edges = ()
    if [leaf for leaf in leaves if leaf._hooks is not None]:  # hooks may wait for other threads
        for leaf, dx in leaves.items():
            leaf._receive(dx)
    else:
        with adding:
            for leaf, dx in leaves.items():
                if leaf._grad is None and type(dx) is type(leaf._value):  # what the call would do
                    leaf._grad = dx
                else:
                    leaf._add_grad_alone(dx)
    end_backward()


def afterwards(call: Callable[[], Any]) -> None:
    """While a backward pass goes on: call this once all its gradients are where they belong."""
    mode.afterwards.append(call)


def end_backward() -> None:
    """Call what `afterwards` was given."""
    while mode.afterwards:
        mode.afterwards.pop(0)()
