"""Deferred calls: a result may wait until it is read, so that a fused kernel can include later ops.

Only inside the outermost `Module.__call__` of a thread, and only where a pattern of a kernel table begins
with the op. A `Link` is one deferred call. It holds the arrays of its arguments as they were at the call
(never the Tensors), so nothing that happens to a Tensor afterwards changes the result; all errors of shape,
dtype, device and attributes have been raised by then. When one of its results is read, the chain of links
back to the nearest computed one is run: the longest part from the front that one kernel serves, then
the rest in the same way, and op by op where no fused kernel serves.

Only an op that declares `infer` can wait. The calls that wait are a list of this thread: weak references to
the Tensors, because a result that nobody holds need not be computed; calls that replace buffers are held
strongly. A buffer that is replaced becomes pending too, so reading it gives the new value. A Tensor in the
middle that is read after its chain has run is an independent node (`Node.detour`), through which no gradient
of the chain goes: `retain_grad()` or a hook on it raises, and names the fix.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from cnnkit.autograd.sharing import live_views, share
from cnnkit.autograd.tape import Node, mode
from cnnkit.backends import backend_of
from cnnkit.ops.core import Meta, Op, run_chain

__all__ = ["Link", "flush", "following", "link_of", "plan", "postpone"]

# the link before, the backend, its tables, the `Chain` that the call extends to
Plan: TypeAlias = "tuple[Link | None, Any, Any, Any]"
# arrays, needs, edges, versions
Arguments: TypeAlias = "tuple[list[Any], tuple[bool, ...], list[Any], list[Any]]"
NOTHING: Arguments = ([], (), [], [])
NOW: Plan = (None, None, None, None)  # the call cannot wait, and its backend is not known yet

WAITING, COMPUTED, PASSED = range(3)  # PASSED: computed inside a fused kernel, without its output 0


class Link:
    """One deferred call: its arguments as they were, its predecessor, and what to do with its outputs."""

    __slots__ = ("arguments", "attrs", "backend", "chain", "grad", "kind", "metas", "node", "op", "outputs",
                 "previous", "requires_grad", "results", "state", "status", "tables", "version")
    outputs: tuple     # set when it is computed
    node: Node | None  # its node on the tape, set at the same time
    arguments: Arguments
    attrs: Mapping[str, Any]
    op: Op
    backend: Any
    chain: Any
    tables: Any
    grad: bool
    metas: tuple[Meta | None, ...]

    def __init__(self, op: Op, attrs: Mapping[str, Any], plan: Plan, arguments: Arguments,
                 metas: tuple[Meta | None, ...], kind: type, grad: bool):
        self.op, self.attrs, self.arguments = op, attrs, arguments
        self.previous, self.backend, self.tables, self.chain = plan
        self.metas, self.grad = metas, grad
        self.kind: type = kind
        self.requires_grad: bool = True in arguments[1] or (plan[0] is not None and plan[0].requires_grad)
        self.status: int = WAITING
        self.results: list = []     # (output position, weak reference to the Tensor of that output)
        self.state: list = []       # (output position, Tensor that it replaces), committed once
        self.version: Any = 0            # of the Tensor that is the result, when the call was made

    @property
    def count(self) -> int:
        """How many of a fused kernel's arrays belong to this link.

        The result of the link before it is among them only at the front of a chain.
        """
        return len(self.arguments[0]) + (self.previous is not None and self.previous.status == COMPUTED)

    def force(self) -> None:
        """Compute this link's results, and those of earlier links that no fused kernel skips."""
        chain, link = [self], self.previous
        while link is not None and link.status != COMPUTED:
            chain.append(link)
            link = link.previous
        chain.reverse()
        while len(chain) > 1:
            del chain[:_run_longest(chain)]
        if chain:
            chain[0].run_alone()

    def run_alone(self) -> None:
        """Run this op by itself; the link before it, if there is one, has been computed."""
        op, (arrays, needs, edges, versions) = self.op, self.all_arguments()
        outputs, backward = op.run(self.backend, self.tables, arrays, needs, self.attrs)
        node = (Node(((op, self.attrs, len(arrays)),), backward, arrays, needs, edges, versions,
                     op.differentiable, self.status == PASSED) if backward else None)
        self.finish(outputs, node, 0)

    def all_arguments(self) -> Arguments:
        """This link's arguments, with the computed result of the link before it in front, if there is one."""
        if self.previous is None:
            return self.arguments
        arrays, needs, edges, versions = self.arguments
        node = self.previous.node
        return ([self.previous.outputs[0], *arrays], (node is not None, *needs),
                [None if node is None else (node, 0), *edges], versions)

    def finish(self, outputs: Sequence[Any], node: Node | None, first: int) -> None:
        """Give this link's `outputs` from position `first` on to their Tensors (1 after a fused kernel)."""
        if self.state:
            for position, buffer in self.state:
                if buffer._link is self and buffer._position == position:
                    buffer._settle(outputs[position - first], None, 0)
            self.state = []
        for position, reference in self.results:
            tensor = reference()
            if position >= first and tensor is not None and tensor._link is self:
                source = node if position < self.op.differentiable else None
                tensor._settle(outputs[position - first], source, position)
        if first == 0:
            if node is not None and self.op.saves_output:
                self.watch_output(node)
            self.outputs, self.node, self.status = tuple(outputs), node, COMPUTED
            self.previous = None
            self.arguments = NOTHING
        else:
            self.status = PASSED


    def hand_over(self, old: Any, new: Any) -> None:
        """Give the result that was to be `old`'s to `new`: a change in place of a pending Tensor."""
        reference = weakref.ref(new)
        self.results = [(position, reference if kept() is old else kept) for position, kept in self.results]
        self.version = new._version[0]
        mode.deferred.append(reference)

    def watch_output(self, node: Node) -> None:
        """Let backward refuse a result that it needs and that was changed in place after the call."""
        for position, reference in self.results:
            tensor = reference()
            if position == 0 and tensor is not None:
                node.versions = [*node.versions, (tensor._version, self.version)]


def _run_longest(links: list[Link]) -> int:
    """Run as many links from the front as one kernel serves; return how many links that was."""
    head = links[0]
    whole = len(links[-1].chain.names) == len(links)  # the whole chain waits
    chains: Sequence = links if whole else head.tables.root.along([link.op for link in links])
    for length in range(len(chains), 1, -1):
        chain = chains[length - 1].chain if whole else chains[length - 1]
        if chain.kernels:
            part = links[:length]
            arrays, needs, edges, versions = head.all_arguments()
            for link in part[1:]:
                if link.arguments is not NOTHING:
                    added = link.arguments
                    arrays, needs = [*arrays, *added[0]], (*needs, *added[1])
                    edges, versions = [*edges, *added[2]], [*versions, *added[3]]
            result = run_chain(head.backend, chain.kernels, part, arrays, needs)
            if result is not NotImplemented:
                outputs, backward = result
                last, extra = part.pop(), outputs[1:]
                node = None
                if backward:
                    calls = [(link.op, link.attrs, len(link.arguments[0])) for link in links[:length]]
                    if head.previous is not None:  # its result is the first array
                        calls[0] = (head.op, head.attrs, head.count)
                    node = Node(calls, backward, arrays, needs, edges, versions, 1, last.status == PASSED)
                for link in part:
                    if extra and link.op.outputs > 1:
                        count = link.op.outputs - link.op.differentiable
                        link.finish(extra[:count], None, link.op.differentiable)
                        extra = extra[count:]
                    else:
                        link.status = PASSED
                last.finish((outputs[0], *extra), node, 0)
                return length
    head.run_alone()
    return 1


def plan(op: Op, first: Any, grad: bool) -> Plan:
    """How to call `op` on the Tensor `first`: the link before, backend, tables, and the chain it extends.

    The chain is ``None`` where the call cannot wait, because no pattern includes it.
    """
    if mode.inside:
        previous: Link | None = first._link
        if previous is not None:
            # what `following` does, without a call of it
            if previous.status == WAITING and previous.grad is grad and first._position == 0:
                chain = previous.chain.longer[op]
                if chain is not None:
                    return previous, previous.backend, previous.tables, chain
            backend = previous.backend
        else:
            backend = backend_of(first._value)
        tables = backend.resolve()
        return None, backend, tables, tables.root.longer[op]
    backend = first._backend()
    return None, backend, backend.resolve(), None


def following(op: Op, pending: Any, grad: bool) -> Plan | None:
    """`plan` where the call extends the chain of a pending Tensor; else ``None``."""
    previous = pending._link
    if previous.status == WAITING and previous.grad is grad and pending._position == 0:
        chain = previous.chain.longer[op]
        if chain is not None:
            return previous, previous.backend, previous.tables, chain
    return None


def postpone(op: Op, attrs: Mapping[str, Any], plan: Plan, arguments: Arguments,
             metas: tuple[Meta | None, ...], kind: type, grad: bool, inputs: Sequence[Any]) -> Any:
    """Defer a call; return a pending Tensor for each output that the caller gets, one or a tuple.

    Buffers among the `inputs` that the op replaces become pending themselves.
    """
    link, deferred = Link(op, attrs, plan, arguments, metas, kind, grad), mode.deferred
    pending = inputs[0]._pending
    if op.outputs == 1:
        result = pending(link, 0, link.requires_grad and op.differentiable > 0)
        reference = weakref.ref(result)
        link.results.append((0, reference))
        deferred.append(reference)
    else:
        results = []
        if op.state:
            for position, index in op.state.items():
                if inputs[index] is not None and metas[position] is not None:
                    inputs[index]._await(link, position)
                    link.state.append((position, inputs[index]))
            deferred.append(link)
        for position in op.shown:
            result = pending(link, position, link.requires_grad and position < op.differentiable)
            reference = weakref.ref(result)
            link.results.append((position, reference))
            deferred.append(reference)
            results.append(result)
        result = results[0] if len(results) == 1 else tuple(results)
    if link.chain.ended or op.view is not None or (link.state and _is_shared(link)):
        link.force()
        if op.view is not None:
            share(op, attrs, inputs[0], result, grad)
    return result


def _is_shared(link: Link) -> bool:
    """Whether another Tensor shares memory with a buffer that a call replaces, and must see its new value."""
    return any(buffer._alias is not None and live_views(buffer) for _, buffer in link.state)


def link_of(entry: Any) -> Link:
    """The link of an entry in the deferred list: the entry itself, or the link of a pending Tensor."""
    return entry if isinstance(entry, Link) else entry()._link


def flush() -> None:
    """Compute every live pending Tensor of this thread, the youngest first so that chains stay whole."""
    deferred = mode.deferred
    waiting = [*deferred]
    deferred.clear()
    while waiting:
        entry = waiting.pop()
        if type(entry) is Link:
            if entry.state:
                entry.force()
        elif (tensor := entry()) is not None and tensor._link is not None:
            tensor._link.force()
