"""Running an op on Tensors: collect the arguments, then run the call or defer it for a fused kernel."""

from __future__ import annotations

from itertools import repeat
from operator import is_not
from typing import Any

from cnnkit.autograd import deferral
from cnnkit.autograd.sharing import share
from cnnkit.autograd.tape import Node, mode
from cnnkit.autograd.value import Value
from cnnkit.foreign import detached, plain_number
from cnnkit.ops.core import Op, backend_of_inputs

__all__ = ["apply"]

PLAIN = (float, int, bool)
Tensor: type[Value] = Value  # set where that subclass is defined: of its many bases, Value is found last
blocks: list[Any] = []  # one entry for each `autocast` block that is open, in any thread
convert: Any = None  # what they do to an op's inputs: (op, inputs) -> inputs; set by `autograd.casting`


def apply(op: Op, *inputs: Any, **attrs: Any) -> Any:
    """Run an op on Tensors (and Python numbers, arrays, ``None``), and record it where a gradient is wanted.

    Returns the op's outputs as Tensors, one or a tuple; outputs that replace an input (``op.state``) are
    written to it.
    """
    if blocks:
        inputs = convert(op, inputs)
    first, grad = inputs[0], mode.grad
    plan = deferral.plan(op, first, grad) if isinstance(first, Tensor) else deferral.NOW
    # the second operand may be the pending result that continues a chain
    if op.commutative and plan[0] is None and mode.inside:
        second = inputs[1]
        if isinstance(second, Tensor) and second._link is not None:
            swapped = deferral.following(op, second, grad)
            if swapped is not None:
                plan, inputs, first = swapped, (second, first), second
    previous, backend, tables, chain = plan
    kind: Any = None
    shapes: list = []
    dtypes: list = []
    others = inputs
    if previous is not None:  # the first argument is pending: the result of the link before
        kind, (shape, dtype) = previous.kind, previous.metas[0]  # type: ignore[misc]
        shapes, dtypes, others = [shape], [dtype], inputs[1:]
        if not others:
            metas = op.infer(shapes, dtypes, **attrs)  # type: ignore[misc]
            return deferral.postpone(op, attrs, plan, deferral.NOTHING, metas, kind, grad, inputs)
    arrays: list = []
    edges: list = []
    same_type = True
    for argument in others:
        if isinstance(argument, Tensor):
            array = argument._value if argument._link is None else argument.array
            if type(array) is not kind:
                same_type = same_type and kind is None
                kind = type(array)
            shapes.append(array.shape)
            dtypes.append(array.dtype)
            edges.append((argument._source or argument) if grad and argument._requires_grad else None)
        elif argument is None:
            array = None
            shapes.append(None)
            dtypes.append(None)
            edges.append(None)
        else:
            array = argument if type(argument) in PLAIN else plain_number(detached(argument))
            same_type = False
            shapes.append(getattr(array, "shape", ()))
            dtypes.append(getattr(array, "dtype", None))
            edges.append(None)
        arrays.append(array)
    versions: list = []
    watches_output = False
    needed = tuple(map(is_not, edges, repeat(None)))  # which gradients are wanted
    if True in needed or (previous is not None and previous.requires_grad):
        wanted = needed if previous is None else (previous.requires_grad, *needed)
        saved, watches_output = op.saved_by.get(wanted) or op.saved(wanted)
        for position in saved:
            argument = inputs[position]
            if (position or previous is None) and isinstance(argument, Tensor):
                version = argument._version
                versions.append((version, version[0]))

    if chain is not None and same_type:
        metas = op.infer(shapes, dtypes, **attrs)  # type: ignore[misc]
        arguments = arrays, needed, edges, versions
        return deferral.postpone(op, attrs, plan, arguments, metas, kind, grad, inputs)
    if previous is not None:
        first.array  # noqa: B018 - computing it ends the chain; then the call starts again
        return apply(op, *inputs, **attrs)
    if not same_type or backend is None:
        backend = backend_of_inputs(op.name, arrays)
        tables = backend.resolve()
    if op.infer is not None:
        op.infer(shapes, dtypes, **attrs)
    outputs, backward = op.run(backend, tables, arrays, needed, attrs)
    node = (Node(((op, attrs, len(arrays)),), backward, arrays, needed, edges, versions, op.differentiable)
            if backward is not None and True in needed else None)
    if op.outputs == 1:
        result = Tensor._of(outputs[0], node)
        if watches_output and node is not None:
            versions.append((result._version, 0))
        if op.view is not None:
            share(op, attrs, inputs[0], result, grad)
        return result
    for position, index in op.state.items():
        if outputs[position] is not None and inputs[index] is not None:
            inputs[index].replace_(outputs[position])
    results = [Tensor._of(outputs[p], node if p < op.differentiable else None, p) for p in op.shown]
    return results[0] if len(results) == 1 else tuple(results)
