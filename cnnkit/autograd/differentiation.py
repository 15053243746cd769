"""Gradients as PyTorch's `torch.autograd` gives them: of some inputs alone, and recorded themselves.

A recorded gradient (``create_graph=True``) runs the body of each node's op again, on traced arrays. What went
into the node is not kept for that: it is computed again from the leaves, once for a call, without being
recorded, and takes the place on the tape that it has already.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from cnnkit import backends
from cnnkit.autograd.tape import Node, end_backward, mode
from cnnkit.autograd.traced import Traced, tracing
from cnnkit.autograd.value import Value
from cnnkit.ops.core import Call, compose

__all__ = ["Differentiation", "backward", "grad"]


class Differentiation(Value):
    """``backward()`` with all of PyTorch's arguments, and where a Tensor stands on the tape."""

    __slots__ = ()

    @property
    def grad_fn(self) -> Node | None:
        """The recorded call that made this Tensor; ``None`` for a leaf."""
        self.array  # noqa: B018 - a pending result has none yet
        return None if self._source is None else self._source[0]

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
                 inputs: Any = None) -> None:
        """Add the gradient of this Tensor with respect to every leaf to that leaf's ``grad``.

        Several threads may do so for shared leaves, each from a result of its own, as in PyTorch: no gradient
        is lost, and the order in which they are added, so the last bits, depends on timing.

        Parameters
        ----------
        gradient : Tensor or array, optional
            The gradient of something with respect to this Tensor, of its shape; 1 where this
            Tensor is a scalar.
        retain_graph : bool, optional
            Keep what the ops have saved, so that `backward` can go through them again; by default
            `create_graph`.
        create_graph : bool
            Record the computation of the gradients, so that they can be differentiated themselves.
        inputs : Tensor or sequence of Tensor, optional
            The only Tensors that get a gradient.

        Raises
        ------
        RuntimeError
            If nothing was recorded, if the tape was freed by an earlier `backward`, if what a gradient needs
            has changed in place since, or if the Tensor is no scalar and `gradient` is missing.
        """
        if create_graph or inputs is not None:
            backward([self], [gradient], retain_graph, create_graph, inputs)
        else:
            Value.backward(self, gradient, bool(retain_graph))


def backward(tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None,
             create_graph: bool = False, inputs: Any = None) -> None:
    """Add the gradients of the sum of several Tensors to the leaves' ``grad``; see `Tensor.backward`.

    >>> import cnnkit
    >>> x = cnnkit.tensor([3.0], requires_grad=True)
    >>> cnnkit.autograd.backward([x * x, 2 * x], [cnnkit.tensor([1.0]), cnnkit.tensor([1.0])])
    >>> x.grad
    tensor([8.])
    """
    roots, grads = _roots("backward", tensors, grad_tensors, create_graph)
    wanted = None if inputs is None else _listed(inputs)
    if wanted is not None and not wanted:
        raise RuntimeError("backward() got no inputs; leave the argument out for all leaves")
    for leaf, gradient in _walk(roots, grads, wanted, create_graph if retain_graph is None else retain_graph,
                                create_graph).items():
        _receive(leaf, gradient)
    end_backward()


def grad(outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None,
         create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
         is_grads_batched: bool = False, materialize_grads: bool = False) -> tuple[Any, ...]:
    """The gradients of the sum of the outputs with respect to some inputs; no ``grad`` is changed.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        What is differentiated, and with respect to what: leaves or results.
    grad_outputs : Tensor or sequence of Tensor, optional
        The gradient of something with respect to each output; 1 for those that are scalars.
    retain_graph : bool, optional
        Keep what the ops have saved; by default `create_graph`.
    create_graph : bool
        Record the computation of the gradients, so that they can be differentiated themselves.
    only_inputs : bool
        Must be ``True``, as in PyTorch.
    allow_unused : bool, optional
        Give ``None`` for an input that the outputs do not depend on, instead of an error; by default
        `materialize_grads`.
    is_grads_batched : bool
        Must be ``False``.
    materialize_grads : bool
        Give zeros for such an input.

    Returns
    -------
    tuple of Tensor or None
        One for each input.

    >>> import cnnkit
    >>> x = cnnkit.tensor(3.0, requires_grad=True)
    >>> slope, = grad(x ** 3, x, create_graph=True)
    >>> curvature, = grad(slope, x)
    >>> slope.item(), curvature.item()
    (27.0, 18.0)
    """
    if not only_inputs:
        raise ValueError("grad() changes no grad; only_inputs=False, deprecated in PyTorch, is not served. "
                         "Use backward()")
    if is_grads_batched:
        raise NotImplementedError("grad() takes one gradient for each output; is_grads_batched is not served")
    roots, grads = _roots("grad", outputs, grad_outputs, create_graph)
    wanted = _listed(inputs)
    for tensor in wanted:
        if not tensor.requires_grad:
            raise RuntimeError("grad() got an input that requires no gradient")
    found = _walk(roots, grads, wanted, create_graph if retain_graph is None else retain_graph, create_graph)
    results: list = []
    for tensor in wanted:
        gradient = found.get(tensor)
        if gradient is None and materialize_grads:
            results.append(Value.result._of(backends.namespace_of(tensor.array).zeros_like(tensor.array)))
        elif gradient is None and not (materialize_grads if allow_unused is None else allow_unused):
            raise RuntimeError("an input was not used to compute the outputs; "
                               "allow_unused=True gives None for it")
        else:
            results.append(None if gradient is None else _as_tensor(gradient))
    return tuple(results)


def _listed(tensors: Any) -> list:
    return [tensors] if isinstance(tensors, Value) else list(tensors)


def _roots(caller: str, outputs: Any, gradients: Any, create_graph: bool) -> tuple[list, list]:
    """The outputs, and an array or traced array for each one's gradient."""
    outputs = _listed(outputs)
    given = [None] * len(outputs) if gradients is None else (
        [gradients] if isinstance(gradients, Value) else list(gradients))
    if len(given) != len(outputs):
        raise RuntimeError(f"{caller}() got {len(outputs)} outputs and {len(given)} gradients of them")
    grads = []
    for output, gradient in zip(outputs, given):
        if not output.requires_grad:
            raise RuntimeError(f"{caller}() on a Tensor that requires no gradient: nothing it was made from "
                               "has requires_grad=True, or it was made under no_grad()")
        dy = output._first_gradient(gradient)
        if create_graph:
            recorded = isinstance(gradient, Value) and gradient._requires_grad
            dy = Traced(gradient if recorded else Value.result._of(dy))
        grads.append(dy)
    return outputs, grads


def _place(tensor: Any) -> Any:
    """Where a Tensor's gradient arrives: the leaf itself, or a node and the position of its output."""
    tensor.array  # noqa: B018 - a pending result has no place yet
    return tensor._source or tensor


def _as_tensor(gradient: Any) -> Any:
    return gradient.tensor if isinstance(gradient, Traced) else Value.result._of(gradient)


def _receive(leaf: Any, gradient: Any) -> None:
    if not isinstance(gradient, Traced):
        if leaf._source is None:
            leaf._receive(gradient)
        else:
            leaf._add_grad(gradient)
        return
    tensor = gradient.tensor
    for hook in leaf._hooks or () if leaf._source is None else ():
        tensor = hook(tensor)
    leaf._grad = tensor if leaf.grad is None else leaf.grad + tensor


def _intercept(node: Node, dys: list) -> None:
    """`Node.intercept` for recorded gradients."""
    for position, hooks in (node.hooks or {}).items():
        for hook in hooks if dys[position] is not None else ():
            dys[position] = Traced(hook(dys[position].tensor))
    for position, reference in (node.retain or {}).items():
        kept = reference()
        if kept is not None and dys[position] is not None:
            tensor = dys[position].tensor
            kept._grad = tensor if kept.grad is None else kept.grad + tensor


def _walk(outputs: Sequence, grads: Sequence, inputs: list | None, retain_graph: bool,
          create_graph: bool) -> dict:
    """Gradients with respect to the inputs, or all leaves: arrays, or traced ones where they are recorded."""
    array = outputs[0].array
    places = None if inputs is None else {_key(_place(tensor)) for tensor in inputs}
    starts = [_place(output) for output in outputs]
    needed = None if places is None else _needed([s[0] for s in starts if type(s) is tuple], places)
    found: dict = {}
    before = mode.grad
    mode.grad = create_graph
    try:
        with backends.on(array), tracing(backends.backend_of(array)):
            _go_back(starts, grads, places, needed, found, retain_graph, create_graph)
    finally:
        mode.grad = before
    if inputs is None:
        return dict(found.values())
    return {tensor: found[key][1] for tensor in inputs if (key := _key(_place(tensor))) in found}


def _key(place: Any) -> Any:
    return (id(place[0]), place[1]) if type(place) is tuple else id(place)


def _needed(roots: Sequence[Node], places: set) -> set[int]:
    """The nodes, by id, through which a gradient comes to one of the places."""
    nodes: dict[int, Node] = {}
    pending = list(roots)
    while pending:
        node = pending.pop()
        if id(node) not in nodes:
            nodes[id(node)] = node
            pending += [edge[0] for edge in node.edges if type(edge) is tuple]
    needed: set[int] = set()
    for node in sorted(nodes.values(), key=lambda node: node.number):
        if any(edge is not None and (_key(edge) in places or (type(edge) is tuple and id(edge[0]) in needed))
               for edge in node.edges):
            needed.add(id(node))
    return needed


def _go_back(starts: Sequence, grads: Sequence, places: set | None, needed: set | None, found: dict,
             retain_graph: bool, create_graph: bool) -> None:
    arrived: dict[Node, list] = {}
    heap: list = []
    values: dict[Node, tuple] = {}

    def add(place: Any, dx: Any) -> None:
        if type(place) is not tuple:
            if places is None or id(place) in places:
                total = found.get(id(place))
                found[id(place)] = (place, dx if total is None else total[1] + dx)
            return
        node, position = place
        dys = arrived.get(node)
        if dys is None:
            dys = arrived[node] = [None] * node.outputs
            heapq.heappush(heap, (-node.number, node))
        dys[position] = dx if dys[position] is None else dys[position] + dx

    for place, dy in zip(starts, grads):
        add(place, dy)
    while heap:
        _, node = heapq.heappop(heap)
        dys = arrived.pop(node)
        for position, dy in enumerate(dys):
            if places is not None and (id(node), position) in places and dy is not None:
                found[id(node), position] = (None, dy)
        if needed is not None and id(node) not in needed:
            continue
        if create_graph:
            node.check()
            _intercept(node, dys)
            dxs = _recorded(node, dys, values)
        else:
            dxs = node.gradients(dys, retain_graph)
        for edge, dx in zip(node.edges, dxs):
            if edge is not None and dx is not None:
                add(edge, dx)
        if not retain_graph:
            node.backward, node.edges = None, ()  # type: ignore[assignment]


# -- gradients that are recorded -----------------------------------------------------------------------------

def _recorded(node: Node, dys: list, values: dict[Node, tuple]) -> Sequence:
    """The gradients of a node's inputs, by its ops' own bodies, on the tape."""
    if node.again is not None:
        return node.again(dys)
    arrays = [_traced(edge, array) for edge, array in zip(node.edges, _inputs(node, values))]
    needs = [edge is not None for edge in node.edges]
    calls = [Call(op, attrs, count) for op, attrs, count in node.calls]
    if len(calls) == 1:
        call = calls[0]
        _, back = call.op(*arrays, needs=needs, **call.attrs)
    else:
        _, back = compose(calls, arrays, needs)
    assert back is not None
    return back(*dys)


def _traced(edge: Any, array: Any) -> Any:
    """What went into a node, at its place on the tape."""
    if edge is None:
        return Traced(Value.result._of(array)) if hasattr(array, "dtype") else array
    if type(edge) is not tuple:
        return Traced(edge)
    tensor = Value.result._of(array)
    tensor._source, tensor._requires_grad = edge, True
    return Traced(tensor)


def _inputs(node: Node, values: dict[Node, tuple]) -> list:
    """The arrays that went into a node: leaves, constants, and results that are computed again."""
    _compute([edge[0] for edge in node.edges if type(edge) is tuple], values)
    arrays, constants = [], iter(node.constants)
    for edge in node.edges:
        if edge is None:
            arrays.append(next(constants, None))  # a user's function keeps none
        elif type(edge) is tuple:
            arrays.append(values[edge[0]][edge[1]])
        else:
            if edge._version[0] > node.number:
                raise RuntimeError(f"create_graph=True computes again what went into {node.name}, and a leaf "
                                   "that it used was changed in place since; differentiate before the change")
            arrays.append(edge.array)
    return arrays


def _compute(nodes: Sequence[Node], values: dict[Node, tuple]) -> None:
    """Compute the results of nodes again, and before them of those that they were made from."""
    missing: dict[int, Node] = {}
    pending = [node for node in nodes if node not in values]
    while pending:
        node = pending.pop()
        if node.number not in missing:
            missing[node.number] = node
            pending += [edge[0] for edge in node.edges if type(edge) is tuple and edge[0] not in values]
    for number in sorted(missing):
        node = missing[number]
        values[node] = node.results if node.results is not None else _run(node, _inputs(node, values))


def _run(node: Node, arrays: list) -> tuple:
    outputs: tuple = ()
    start = 0
    for op, attrs, count in node.calls:
        inputs = [*outputs[:1], *arrays[start:start + count]]
        start += count
        backend = backends.backend_of(next(a for a in inputs if hasattr(a, "dtype")))
        outputs, _ = op.run(backend, backend.resolve(), inputs, (False,) * len(inputs), attrs)
    return outputs
