"""The network layer by layer, as a data base explains a query: each step's cost, and the kernel that ran."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnkit import nn
from cnnkit.autograd import Tensor, no_grad
from cnnkit.inspection import explain, summary
from cnnkit.inspection.explanation import Explanation, KernelCall
from cnnkit.inspection.graph import GraphNode, layer_graph
from cnnkit.inspection.report import Summary, byte_count, si
from cnnkit.plot.svg import Box, graph
from cnnkit.shapes import per_axis

__all__ = ["Network", "network", "size_formula"]

ABSORBED = {"ReLU", "LeakyReLU", "BatchNorm2d", "Hardswish", "SiLU", "ReLU6", "GELU", "Sigmoid", "Tanh"}


@dataclass(frozen=True)
class Network:
    """What the page shows of a network: rows of texts, a drawing, and the graph itself."""

    summary: Summary
    layers: list[dict[str, str]]
    kernels: list[dict[str, Any]]
    explanation: Explanation
    drawing: str
    graph: list[GraphNode]


def network(model: nn.Module, images: Tensor, analyze: bool) -> Network:
    """Explain a model on a batch of images (N, C, H, W)."""
    modules = dict(model.named_modules())
    with no_grad(), nn.evaluating(model):
        explanation = explain(model, images, analyze=analyze)
    nodes = layer_graph(model, images[:1])
    costs = summary(model, tuple(images.shape[1:]))
    before = {node.name: nodes[node.inputs[0]].shape for node in nodes
              if node.inputs and node.kind != node.name}
    layers = [{"name": row.name, "kind": row.kind,
               "shape": "" if row.output_shape is None else str(row.output_shape),
               "size": size_formula(modules.get(row.name), before.get(row.name, ())),
               "parameters": f"{row.formula} = {row.parameters:,}" if row.formula else f"{row.parameters:,}",
               "flops": "?" if row.flops is None else si(row.flops), "memory": byte_count(row.memory)}
              for row in costs.rows]
    kernels = [_kernel(call) for call in explanation.rows]
    return Network(costs, layers, kernels, explanation, graph(_boxes(nodes)), nodes)


def size_formula(module: nn.Module | None, shape: Sequence[int]) -> str:
    """How height and width of a layer's result follow from those of its input, with the numbers filled in.

    >>> size_formula(nn.Conv2d(1, 8, 3, padding=1, stride=2), (1, 28, 28))
    '(28 + 2 x 1 - 3) / 2 + 1 = 14, rounded down'
    """
    if len(shape) != 3 or not isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return ""
    k, s = per_axis(module.kernel_size, "kernel_size"), per_axis(module.stride, "stride")
    d = per_axis(1 if isinstance(module, nn.AvgPool2d) else module.dilation, "dilation")
    spans = [d[axis] * (k[axis] - 1) + 1 for axis in (0, 1)]
    if isinstance(module.padding, str):
        p = [(span - 1) / 2 if module.padding == "same" else 0 for span in spans]
    else:
        p = list(per_axis(module.padding, "padding", 0))
    upwards = not isinstance(module, nn.Conv2d) and module.ceil_mode
    texts = []
    for axis in (0, 1):
        n, span = shape[1 + axis], spans[axis]
        steps = (n + 2 * p[axis] - span) / s[axis]
        whole = (math.ceil if upwards else math.floor)(steps) + 1
        padded = f"{n} + 2 x {p[axis]:g}" if p[axis] else f"{n}"
        cut = "" if steps == int(steps) else ", rounded up" if upwards else ", rounded down"
        texts.append(f"({padded} - {span}) / {s[axis]} + 1 = {whole}{cut}")
    return texts[0] if texts[0] == texts[1] else f"{texts[0]}; {texts[1]}"


def _kernel(call: KernelCall) -> dict[str, Any]:
    """One call of a kernel, as texts."""
    rate = call.flops / call.seconds if call.flops and call.seconds else None
    reasons = [f"{'+'.join(other.ops)} by {other.table}: {other.reason or 'no reason given'}"
               for other in call.declined]
    return {"layer": call.layer, "ops": " + ".join(call.ops), "fused": call.fused, "table": call.table,
            "kernel": call.kernel.rpartition(".")[2] if call.kernel else "", "full": call.kernel,
            "algorithm": call.algorithm, "input": str(call.inputs[0]), "output": str(call.output),
            "flops": "" if call.flops is None else si(call.flops),
            "bytes": "" if call.bytes is None else byte_count(call.bytes),
            "ms": None if call.seconds is None else 1e3 * call.seconds,
            "rate": "" if rate is None else f"{si(rate)}FLOP/s", "share": call.share if rate else None,
            "declined": reasons}


def _boxes(nodes: Sequence[GraphNode]) -> list[Box]:
    """The drawing's boxes: what works on each number alone stands in the box of the layer before it."""
    takers: dict[int, int] = {}
    for node in nodes:
        for n in node.inputs:
            takers[n] = takers.get(n, 0) + 1
    place: dict[int, int] = {}
    boxes: list[Box] = []
    for n, node in enumerate(nodes):
        alone = len(node.inputs) == 1 and takers[node.inputs[0]] == 1
        if node.kind in ABSORBED and alone and node.inputs[0]:
            place[n] = place[node.inputs[0]]
            box = boxes[place[n]]
            boxes[place[n]] = box._replace(text=f"{box.text}, {node.kind}")
            continue
        place[n] = len(boxes)
        shape = " x ".join(map(str, node.shape))
        text = f"{node.kind} {shape}".strip() if node.kind != node.name else shape
        boxes.append(Box(node.name[-30:], text, tuple(dict.fromkeys(place[i] for i in node.inputs))))
    return boxes
