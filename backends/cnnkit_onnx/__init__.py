"""The ONNX backend: arrays that compute nothing and write down what would be computed, as an ONNX graph.

A model that is called on them *is* the graph: every op becomes nodes, by the kernels here or by its generic
body on ndonnx's arrays. `cnnkit.onnx.export` makes a file of it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import numpy as np

from cnnkit.backends import ArrayAPIBackend

__all__ = ["OnnxBackend", "backend"]

PACKAGES = ("onnx", "spox", "ndonnx")
OURS = ("cnnkit", "cnnkit_onnx", *PACKAGES)


class OnnxBackend(ArrayAPIBackend):
    """ndonnx's lazy arrays. Constants have values, and whatever depends on a graph's arguments has none."""

    lazy = True
    assigns = False

    @cached_property
    def namespace(self) -> Any:
        from cnnkit_onnx.namespace import Namespace

        return Namespace()

    def available(self) -> bool | str:
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
        return True if not missing else f"{missing[0]} is not installed (pip install 'cnnkit[onnx]')"

    def has_values(self, array: Any) -> bool:
        try:
            array.unwrap_numpy()
        except ValueError:
            return False
        return True

    def to_numpy(self, array: Any) -> np.ndarray:
        """The values of a constant.

        Raises
        ------
        RuntimeError
            If the array depends on the model's inputs; the message has the line of the user's that asks.
        """
        try:
            return array.unwrap_numpy()
        except ValueError:
            raise RuntimeError(f"{_asking_line()} reads a number that depends on the model's inputs, and a "
                               "graph has none until it runs: a Python branch or loop on a value cannot be "
                               "exported. Compute both sides and choose with cnnkit.where, or go by shapes"
                               ) from None

    def argument(self, shape: Sequence[int], dtype: Any) -> Any:
        """An input of a graph.

        Raises
        ------
        TypeError
            If ndonnx has no such dtype.
        """
        from cnnkit_onnx import drawing

        return drawing.argument(shape, self.dtype(dtype))

    def naming(self) -> AbstractContextManager:
        """A block in which what this thread's kernels draw gets names; see `cnnkit_onnx.drawing.Names`."""
        from cnnkit_onnx import drawing

        return drawing.naming()

    def graph(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], names: Mapping[str, Any]) -> Any:
        """The ``onnx.ModelProto`` that makes `outputs` of `inputs`; the values in `names` are outputs too."""
        from cnnkit_onnx import drawing

        return drawing.graph(inputs, outputs, names)

    def axis_order(self, array: Any) -> tuple[int, ...]:
        return tuple(range(array.ndim))

    def assign(self, array: Any, select: Any, values: Any) -> Any:
        xp = self.namespace
        places = select(xp.reshape(xp.arange(array.size), array.shape))  # a slice is no view
        values = xp.broadcast_to(values, places.shape)
        flat = self.put(xp.reshape(array, (-1,)), xp.reshape(places, (-1,)), xp.reshape(values, (-1,)))
        return xp.reshape(flat, array.shape)

    def put(self, array: Any, positions: Any, values: Any) -> Any:
        from cnnkit_onnx.drawing import drawn, op, var_of

        places = op.reshape(var_of(positions, "int64"), op.const([-1, 1], "int64"))
        return drawn(op.scatter_nd(var_of(array), places, var_of(values)))


def _asking_line() -> str:
    """The innermost line that is neither cnnkit's nor of the packages below it."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        frame = frame.f_back  # type: ignore[assignment]
    if frame is None:
        return "the model"
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}, in {frame.f_code.co_name},"


backend = OnnxBackend("onnx", "ndonnx", ("ndonnx._array:Array",), "ndonnx")
