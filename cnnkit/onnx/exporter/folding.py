"""Batch norm that becomes part of the convolution before it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["fold_batch_norm"]

# operator -> the axis of the output channels in its weight
BEFORE = {"Conv": 0, "ConvTranspose": 1}


def fold_batch_norm(model: Any) -> int:
    """Multiply each BatchNormalization into the convolution whose result nobody else takes; return how many.

    The convolution's weight keeps its name, and a bias that it had not is called ``<weight's path>.bias``.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    users: dict[str, int] = {value.name: 1 for value in graph.output}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    folded = 0
    for node in list(graph.node):
        conv = makers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if conv is None or conv.op_type not in BEFORE or users[conv.output[0]] > 1:
            continue
        names = [*conv.input[1:], *node.input[1:]]
        if not all(name in weights for name in names) or any(users[name] > 1 for name in conv.input[1:]):
            continue
        settings = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
        if conv.op_type == "ConvTranspose" and settings.get("group", 1) != 1:
            continue
        weight, *biases = (numpy_helper.to_array(weights[name]) for name in conv.input[1:])
        scale, shift, mean, var = (numpy_helper.to_array(weights[name]).astype(np.float64)
                                   for name in node.input[1:])
        eps = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        factor = scale / np.sqrt(var + eps)
        along = [1] * weight.ndim
        along[BEFORE[conv.op_type]] = -1
        bias = ((biases[0] if biases else 0) - mean) * factor + shift
        _set(weights[conv.input[1]], weight * factor.reshape(along), weight.dtype)
        if len(conv.input) == 2:
            name = f"{conv.input[1].removesuffix('weight').removesuffix('.')}.bias".lstrip(".")
            while name in weights:
                name += "_"
            tensor = numpy_helper.from_array(bias.astype(weight.dtype), name)
            graph.initializer.append(tensor)
            weights[name] = graph.initializer[-1]
            users[name] = 1
            conv.input.append(name)
        else:
            _set(weights[conv.input[2]], bias, weight.dtype)
        conv.output[0] = node.output[0]
        makers[node.output[0]] = conv
        graph.node.remove(node)
        folded += 1
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    rest = [tensor for tensor in graph.initializer if tensor.name in used]
    copies = [type(tensor).FromString(tensor.SerializeToString()) for tensor in rest]
    del graph.initializer[:]
    graph.initializer.extend(copies)
    return folded


def _set(tensor: Any, value: np.ndarray, dtype: Any) -> None:
    from onnx import numpy_helper

    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value.astype(dtype)), tensor.name))
