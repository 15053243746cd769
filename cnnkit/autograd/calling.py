"""Running an op on Tensors: the arguments are collected once, then the call runs, or waits for a
fused kernel.
"""

from __future__ import annotations

from typing import Any

from cnnkit.autograd import deferral
from cnnkit.autograd.tape import Node, mode
from cnnkit.autograd.value import Value
from cnnkit.ops.core import Op, backend_of_inputs

__all__ = ["apply"]

PLAIN = (float, int, bool)


def apply(op: Op, *inputs: Any, **attrs: Any) -> Any:
    """Run an op on Tensors (and Python numbers, arrays, ``None``), and record it where a gradient is wanted.

    Returns the op's outputs as Tensors, one or a tuple; outputs that replace an input (``op.state``) are
    written to it.
    """
    first, grad = inputs[0], mode.grad
    plan = deferral.plan(op, first, grad) if isinstance(first, Value) else deferral.NOW
    # the other operand may be what a chain goes on with
    if op.commutative and plan[0] is None and mode.inside:
        second = inputs[1]
        if isinstance(second, Value) and second._link is not None:
            turned = deferral.following(op, second, grad)
            if turned is not None:
                plan, inputs, first = turned, (second, first), second
    follows, backend, tables, chain = plan
    kind: Any = None
    shapes: list = []
    dtypes: list = []
    others = inputs
    if follows is not None:  # the chain's own result is not computed yet
        kind, (shape, dtype) = follows.kind, follows.metas[0]  # type: ignore[misc]
        shapes, dtypes, others = [shape], [dtype], inputs[1:]
        if not others:
            metas = op.infer(shapes, dtypes, **attrs)  # type: ignore[misc]
            return deferral.postpone(op, attrs, plan, deferral.NOTHING, metas, kind, grad, inputs)
    arrays: list = []
    needs: list[bool] = []
    edges: list = []
    versions: list = []
    alike = True
    for i in others:
        if isinstance(i, Value):
            array = i._value if i._link is None else i.array
            shape, dtype = array.shape, array.dtype
            if type(array) is not kind:
                alike = alike and kind is None
                kind = type(array)
            wanted = grad and i.requires_grad
            edges.append((i._source or i) if wanted else None)
            version = i._version
            versions.append((version, version[0]))
        elif i is None:
            array = shape = dtype = None
            wanted = False
            edges.append(None)
        else:
            array, wanted = i, False
            if type(i) not in PLAIN and isinstance(i, float | int):
                # NumPy's float64 is a float, and would widen float32
                array = i = float(i) if isinstance(i, float) else int(i)
            shape, dtype = getattr(i, "shape", ()), getattr(i, "dtype", None)
            alike = False
            edges.append(None)
        arrays.append(array)
        needs.append(wanted)
        shapes.append(shape)
        dtypes.append(dtype)
    if op.state:  # what the op itself replaces does not count as changed
        replaced = [inputs[at]._version for at in op.state.values() if inputs[at] is not None]
        versions = [v for v in versions if not any(v[0] is r for r in replaced)]

    if chain is not None and alike:
        metas = op.infer(shapes, dtypes, **attrs)  # type: ignore[misc]
        return deferral.postpone(op, attrs, plan, (arrays, needs, edges, versions), metas, kind, grad, inputs)
    if follows is not None:
        first.array  # noqa: B018 - the chain ends here, and the call begins anew
        return apply(op, *inputs, **attrs)
    if not alike or backend is None:
        backend = backend_of_inputs(op.name, arrays)
        tables = backend.resolve()
    if op.infer is not None:
        op.infer(shapes, dtypes, **attrs)
    outputs, backward = op.run(backend, tables, arrays, tuple(needs), attrs)
    node = (Node(op.name, backward, edges, versions, op.differentiable)
            if backward is not None and True in needs else None)
    if op.outputs == 1:
        return Value.result._of(outputs[0], node)
    for position, at in op.state.items():
        if outputs[position] is not None and inputs[at] is not None:
            inputs[at].replace_(outputs[position])
    results = [Value.result._of(outputs[p], node if p < op.differentiable else None, p) for p in op.shown]
    return results[0] if len(results) == 1 else tuple(results)
