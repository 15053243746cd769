"""Import: an ONNX model becomes a module of cnnkit's."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from cnnkit.data.input_format import InputFormat
from cnnkit.onnx.importer.folding import fold
from cnnkit.onnx.importer.graph import read_graph
from cnnkit.onnx.importer.network import OnnxModel, OnnxNode
from cnnkit.onnx.importer.operators import OPERATORS
from cnnkit.onnx.importer.reading import read_model

if TYPE_CHECKING:
    import onnx

__all__ = ["OPERATORS", "OnnxModel", "OnnxNode", "load"]

FORMAT = "cnnkit.input_format"  # key of the metadata


def load(model: str | os.PathLike[str] | bytes | onnx.ModelProto) -> OnnxModel:
    """Read an ONNX model as a module, in evaluation mode, its parameters on the backend in use.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        A file, the bytes of one, or the message that ``onnx.load`` returns. External data are read only from
        the file's own folder, and only where a path is given.

    What the model has learnt from, if `cnnkit.onnx.export` wrote it, becomes its ``input_format``.

    Returns
    -------
    OnnxModel
        Called with arrays or Tensors, in the graph's order or by its names. In training mode, Dropout drops
        and BatchNormalization uses its batch's statistics, as in `cnnkit.nn`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        A ValueError: if it is damaged, or has an operator, a version of the operator set, a dtype or another
        part of ONNX that cnnkit does not have; the message names it.
    ImportError
        If the package ``onnx`` is missing.

    >>> import cnnkit
    >>> model = cnnkit.onnx.load("resnet18.onnx")  # doctest: +SKIP
    >>> model(cnnkit.zeros(1, 3, 224, 224)).shape  # doctest: +SKIP
    (1, 1000)
    """
    proto, source = read_model(model)
    graph, computed = fold(read_graph(proto, source), source)
    model = OnnxModel(graph, computed, {entry.key: entry.value for entry in proto.metadata_props})
    if FORMAT in model.metadata:
        try:
            model.input_format = InputFormat.from_dict(json.loads(model.metadata[FORMAT]))
        except (ValueError, RecursionError) as error:
            raise source.error(f"its metadata {FORMAT!r} are {error}") from error
    return model.eval()
