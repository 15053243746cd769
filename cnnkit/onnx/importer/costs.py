"""Floating-point operations of a node, by the rules of `cnnkit.inspection.costs` for the same layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit import shapes
from cnnkit.onnx.importer.graph import Node

__all__ = ["flops"]

Shape = tuple[int, ...]
Rule = Callable[[Node, Sequence[Shape], Shape, Shape], int | None]


def flops(node: Node, weights: Sequence[Shape], input_shape: Shape, output_shape: Shape) -> int | None:
    """How many a call makes, or ``None`` where there is no rule.

    Parameters
    ----------
    node : Node
        The node.
    weights : sequence of shapes
        Of its parameters, in the order of its inputs.
    input_shape, output_shape : tuple of int
        Of its first input and output.
    """
    rule = RULES.get(node.operator.name)
    return None if rule is None else rule(node, weights, input_shape, output_shape)


def _conv(node: Node, weights: Sequence[Shape], given: Shape, made: Shape) -> int | None:
    return 2 * math.prod(weights[0][1:]) * math.prod(made) if weights else None


def _conv_transpose(node: Node, weights: Sequence[Shape], given: Shape, made: Shape) -> int | None:
    return 2 * math.prod(weights[0][1:]) * math.prod(given) if weights else None


def _linear(node: Node, weights: Sequence[Shape], given: Shape, made: Shape) -> int | None:
    return math.prod(made[:-1]) * shapes.linear_flops(given[-1], made[-1]) if given and made else None


def _pool(node: Node, weights: Sequence[Shape], given: Shape, made: Shape) -> int | None:
    return math.prod(node.attributes["kernel_shape"]) * math.prod(made)


def _per_output(count: int) -> Rule:
    return lambda node, weights, given, made: count * math.prod(made)


def _names(names: str, rule: Any) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


RULES: dict[str, Rule] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, **_names("Gemm MatMul", _linear),
    **_names("MaxPool AveragePool", _pool),
    **_names("GlobalAveragePool GlobalMaxPool", lambda node, weights, given, made: math.prod(given)),
    **_names("Relu Add Sub Mul Div Max Min", _per_output(1)),
    **_names("BatchNormalization LeakyRelu PRelu Clip", _per_output(2)),
    **_names("LayerNormalization GroupNormalization InstanceNormalization", _per_output(7)),
    **_names("""Concat Split Slice Reshape Flatten Transpose Squeeze Unsqueeze Expand Tile Pad Gather Identity
                Dropout Shape Cast DepthToSpace SpaceToDepth Upsample""", _per_output(0)),
}
