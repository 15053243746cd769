"""The graph of a model's layers, found in one run: who takes whose output, and how far each sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor, enable_grad
from cnnkit.inspection.unchanged import unchanged
from cnnkit.shapes import ReceptiveField, per_axis

__all__ = ["GraphNode", "layer_graph"]

IMAGE = "image"  # the name of the input


@dataclass(frozen=True)
class GraphNode:
    """A layer's call, or a function between layers, such as the sum at the end of a residual block.

    Attributes
    ----------
    name, kind : str
        The layer's dotted name and class; a function is both by its op's name.
    shape : tuple of int
        Of its output, without the batch.
    inputs : tuple of int
        The positions of the nodes whose output it takes; 0 is the image.
    field : ReceptiveField or None
        The part of the image that one number of the output sees; ``None`` where it sees all.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    field: ReceptiveField | None


def layer_graph(model: nn.Module, image: Tensor) -> list[GraphNode]:
    """The calls of a model's layers in their order, each after those whose output it takes.

    The model runs in evaluation mode, and stays as it is. Layers that do nothing then, such as dropout, are
    left out.

    Parameters
    ----------
    model : Module
        Takes one Tensor.
    image : Tensor, (1, C, H, W)

    >>> import cnnkit
    >>> from cnnkit import models
    >>> for node in layer_graph(models.CommonCNN((1, 8, 8)), cnnkit.zeros(1, 1, 8, 8))[:4]:
    ...     print(node.name, node.shape, node.inputs, node.field and node.field.size)
    image (1, 8, 8) () (1, 1)
    features.conv1 (8, 8, 8) (0,) (3, 3)
    features.relu1 (8, 8, 8) (1,) (3, 3)
    features.pool1 (8, 4, 4) (2,) (4, 4)
    """
    made: list[tuple[str, nn.Module, Tensor, Any, Any]] = []
    names = {id(module): name for name, module in model.named_modules()}

    given: list[Any] = []  # who made what the layers that run now were given

    def before(module: nn.Module, inputs: tuple) -> None:
        given.append(inputs[0].grad_fn if inputs and isinstance(inputs[0], Tensor) else None)

    def after(module: nn.Module, inputs: tuple, output: Any) -> None:
        source = given.pop()
        if isinstance(output, Tensor) and output.grad_fn is not source:  # else it gave back what it took
            taken = inputs[0].shape[1:] if inputs and isinstance(inputs[0], Tensor) else ()
            made.append((names[id(module)] or "(model)", module, output, output.grad_fn, taken))

    leaves = [m for m in model.modules() if not any(True for _ in m.children())]
    with unchanged(model), enable_grad():
        handles = [handle for module in leaves for handle in (
            module.register_forward_pre_hook(before), module.register_forward_hook(after))]
        try:
            output = model(image.detach().requires_grad_())
        finally:
            for handle in handles:
                handle.remove()
    nodes = [GraphNode(IMAGE, "", tuple(image.shape[1:]), (), ReceptiveField((1, 1), (1, 1), (0, 0)))]
    places: dict[int, int] = {}  # of a call on the tape -> of the node that it belongs to

    def add(name: str, kind: str, shape: tuple[int, ...], call: Any, module: nn.Module | None) -> int:
        if id(call) in places:
            return places[id(call)]
        inputs = sources(call)
        fields = [nodes[n].field for n in inputs]
        known = [f for f in fields if f is not None]
        field = max(known, key=lambda f: f.size) if known and len(known) == len(fields) else None
        if module is not None:
            field = _grown(field, module, len(shape))
        nodes.append(GraphNode(name, kind, shape, inputs, field))
        places[id(call)] = len(nodes) - 1
        return len(nodes) - 1

    layer_calls = {id(call) for *_, call, _ in made}

    def sources(call: Any) -> tuple[int, ...]:
        """Who made what a call takes; functions of one input between two layers are passed over."""
        found: list[int] = []
        pending = [edge[0] for edge in reversed(call.edges) if type(edge) is tuple]
        leaf = any(isinstance(edge, Tensor) for edge in call.edges)
        while pending:
            other = pending.pop()
            edges = [edge[0] for edge in other.edges if type(edge) is tuple]
            if id(other) in places:
                found.append(places[id(other)])
            elif id(other) not in layer_calls and len(edges) > 1:
                found.append(add(other.name, other.name, (), other, None))
            else:
                pending += reversed(edges)
                leaf = leaf or not edges
        return tuple(dict.fromkeys(found or ([0] if leaf or not found else [])))

    for name, module, result, call, taken in made:
        if call is not None and id(call) not in places:
            node = nodes[add(name, type(module).__name__, tuple(result.shape[1:]), call, module)]
            if len(node.inputs) == 1 and not nodes[node.inputs[0]].shape:  # a function's, known only here
                nodes[node.inputs[0]] = replace(nodes[node.inputs[0]], shape=tuple(taken))
    end = output.grad_fn if isinstance(output, Tensor) else None
    if end is not None and id(end) not in places:
        add(end.name, end.name, tuple(output.shape[1:]), end, None)
    return nodes


def _grown(field: ReceptiveField | None, module: nn.Module, axes: int) -> ReceptiveField | None:
    """What a layer sees of the image, if each number that it takes sees `field`."""
    if field is None or axes != 3:
        return None
    if not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        whole = isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d | nn.ConvTranspose2d)
        return None if whole else field
    k, s = per_axis(module.kernel_size, "kernel_size"), per_axis(module.stride, "stride")
    d = per_axis(1 if isinstance(module, nn.AvgPool2d) else module.dilation, "dilation")
    same = tuple(d[axis] * (k[axis] - 1) // 2 for axis in (0, 1))
    padding = same if module.padding == "same" else (0, 0) if module.padding == "valid" else per_axis(
        module.padding, "padding", 0)
    return ReceptiveField(
        *[(size[0], size[1]) for size in zip(*[
            (field.size[axis] + d[axis] * (k[axis] - 1) * field.jump[axis], field.jump[axis] * s[axis],
             field.start[axis] - padding[axis] * field.jump[axis]) for axis in (0, 1)])])
