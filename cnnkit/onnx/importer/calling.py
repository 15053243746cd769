"""Calling an operator: its attributes, what else its function asks for, and its inputs in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.onnx.importer.graph import Node
from cnnkit.onnx.importer.host import together

__all__ = ["call"]


def call(node: Node, values: Sequence[Any], training: bool) -> Any:
    """What an operator makes of its inputs, ``None`` where one is left out.

    Errors say in which node they happened.
    """
    declared = node.operator
    given = {"opset": node.opset, "training": training, "results": len(node.outputs)}
    keywords = {name: given[name] for name in declared.given}
    try:
        if declared.settings:
            moving = [position for position in range(len(values))
                      if declared.input_name(position) not in declared.settings]
            placed = list(values)
            for position, value in zip(moving, together([values[position] for position in moving])):
                placed[position] = value
        else:
            placed = together(values)
        return declared.function(*placed, **node.attributes, **keywords)
    except Exception as error:
        error.add_note(f"in the node {node} of the ONNX model")
        raise
