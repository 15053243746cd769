"""`export`: a model as an ONNX file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnkit import backends, nn
from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of, dtype_name
from cnnkit.data import InputFormat
from cnnkit.foreign import is_array
from cnnkit.onnx.exporter.folding import fold_batch_norm as folded
from cnnkit.onnx.exporter.symbols import Symbol, unify
from cnnkit.onnx.exporter.tidying import lower, tidy
from cnnkit.onnx.exporter.tracing import Signature, trace, weights_of
from cnnkit.onnx.requirement import onnx_package
from cnnkit.storage import make_folder, write

__all__ = ["export"]

FORMAT = "cnnkit.input_format"  # key of the metadata
LEAST = 17  # the lowest opset
LARGEST = 2**31 - 1  # bytes of a protobuf message
Axes = Mapping[str, Mapping[int, str] | Sequence[int]]


def export(model: nn.Module, example_input: Any, path: str | os.PathLike[str] | None = None, *,
           opset: int = LEAST,
           input_names: Sequence[str] | None = None, output_names: Sequence[str] | None = None,
           dynamic_axes: Axes | None = None, dynamic_batch: bool = True, fold_batch_norm: bool = False,
           metadata: Mapping[str, str] | None = None) -> Any:
    """Write a model, as it is in evaluation, to an ONNX file, for onnxruntime and other programs to run.

    The model is called on arrays that write down what is computed (the backend ``onnx``), once for each size
    that may vary. It stays as it was: parameters, modes and the random generator. Meanwhile other threads
    must not use it.

    Parameters
    ----------
    model : Module
    example_input : Tensor, array, or tuple of them
        What the model takes, of which shapes and dtypes count only.
    path : path, optional
        The file; its folder is created, and it is written whole or not at all. Without one nothing is
        written.
    opset : int
        The lowest version of the operators, from 17 on; a later one is declared where the model needs it.
    input_names, output_names : sequence of str, optional
        By default ``"input"``, ``"input_1"``, ..., ``"output"``, ``"output_1"``, ..., or a mapping's keys.
    dynamic_axes : mapping, optional
        Input -> the axes that may vary, with or without names: ``{"input": {0: "batch", 2: "height"}}``.
    dynamic_batch : bool
        Let axis 0 vary, of every input that has as many elements along it as the first, where `dynamic_axes`
        is not given.
    fold_batch_norm : bool
        Multiply batch norm into the convolutions before it. Otherwise weights and biases have the names and
        values of the ``state_dict``.
    metadata : mapping of str to str, optional
        Put into the file's ``metadata_props``. There is also what the model has learnt from, as JSON under
        ``"cnnkit.input_format"``, where it has an `input_format`.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    Unavailable, ImportError
        If onnx, spox or ndonnx is not installed.
    RuntimeError
        If the model's Python code reads a value, which a graph has not before it runs (the message names the
        line), draws random numbers, or moves running statistics.
    ValueError
        If an argument does not fit, or the graph of another batch size is another one; the message names the
        node and the fix.

    >>> import importlib.util, cnnkit
    >>> from cnnkit import nn
    >>> if importlib.util.find_spec("ndonnx"):
    ...     graph = export(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), cnnkit.zeros(1, 4)).graph
    ...     assert [node.op_type for node in graph.node] == ["Gemm", "Relu"]
    """
    onnx = onnx_package()
    backend = backends.get("onnx")
    if not isinstance(model, nn.Module):
        raise TypeError(f"export() takes a Module; got {type(model).__name__}")
    if not LEAST <= opset <= onnx.defs.onnx_opset_version():
        raise ValueError(f"opset={opset}: export() writes opsets {LEAST} to {onnx.defs.onnx_opset_version()}")
    signatures = _signatures(example_input, input_names)
    weights = weights_of(model)
    values = {name: _host(tensor) for name, tensor in weights.items()}
    for signature in signatures:
        if signature.name in weights:
            raise ValueError(f"input_names: {signature.name!r} is the name of a parameter too")
    axes = _axes(signatures, dynamic_axes, dynamic_batch)
    variants, symbols = _variants(signatures, axes)
    traces = []
    for variant in variants:
        try:
            traces.append(trace(model, variant, backend, output_names))
        except (ValueError, IndexError) as error:  # of shapes, perhaps
            if axes:
                shapes = " and ".join(str(signature.shape) for signature in variant)
                varying = ", ".join(symbol.name for symbol in symbols)
                error.add_note(f"export() called the model with inputs of shape {shapes}, to find what "
                               f"follows from the sizes that may vary ({varying})")
            raise
    graph = unify([traced for traced, _, _ in traces], symbols, axes)
    tidy(graph, *traces[0][1:], values)
    if fold_batch_norm:
        folded(graph)
    lower(graph, opset)
    learnt = model.input_format
    if isinstance(learnt, InputFormat):
        metadata = {FORMAT: json.dumps(learnt.as_dict()), **(metadata or {})}
    onnx.helper.set_model_props(graph, dict(metadata or {}))
    if graph.ByteSize() > LARGEST:
        raise ValueError(f"the model takes {graph.ByteSize():,} bytes, and an ONNX file holds "
                         f"{LARGEST:,}: convert it with .half() first")
    onnx.checker.check_model(graph, full_check=True)
    if path is not None:
        file = Path(path)
        make_folder(file.parent)
        write(file, graph.SerializeToString())
    return graph


def _host(tensor: Tensor) -> np.ndarray:
    array = backend_of(tensor.array).to_numpy(tensor.array)
    if array.dtype.name not in ("bool", "float16", "float32", "float64") and array.dtype.kind not in "iu":
        raise TypeError(f"export() writes no {dtype_name(array.dtype)}; convert the model with .float()")
    return array


def _signatures(example: Any, names: Sequence[str] | None) -> list[Signature]:
    examples = tuple(example) if isinstance(example, tuple | list) else (example,)
    if not examples or not all(is_array(value) for value in examples):
        kinds = ", ".join(type(value).__name__ for value in examples) or "nothing"
        raise TypeError(f"example_input must be a Tensor or an array, or a tuple of them; got {kinds}")
    if names is None:
        names = ["input", *(f"input_{n}" for n in range(1, len(examples)))]
    if len(names) != len(examples) or len({*names}) != len(names):
        raise ValueError(f"input_names={list(names)}: there are {len(examples)} inputs, "
                         "each of which needs a name of its own")
    return [Signature(name, tuple(map(int, value.shape)), dtype_name(value.dtype))
            for name, value in zip(names, examples)]


def _axes(signatures: Sequence[Signature], given: Axes | None, batch: bool) -> dict[str, dict[int, str]]:
    """Input -> axis -> the name of its size, of the axes that may vary."""
    if given is None:
        first = signatures[0].shape
        if not batch or not first:
            return {}
        return {s.name: {0: "batch"} for s in signatures if s.shape[:1] == first[:1]}
    shapes = {s.name: s.shape for s in signatures}
    axes: dict[str, dict[int, str]] = {}
    for name, chosen in given.items():
        if name not in shapes:
            raise ValueError(f"dynamic_axes has {name!r}; the inputs are {', '.join(shapes)} "
                             "(of outputs the sizes follow)")
        named = chosen if isinstance(chosen, Mapping) else {axis: f"{name}_{axis}" for axis in chosen}
        for axis in named:
            if not 0 <= axis < len(shapes[name]):
                raise ValueError(f"dynamic_axes has axis {axis} of {name!r}, whose shape is {shapes[name]}")
        axes[name] = {axis: str(symbol) for axis, symbol in named.items()}
    return axes


def _variants(signatures: Sequence[Signature],
              axes: Mapping[str, Mapping[int, str]]) -> tuple[list[list[Signature]], list[Symbol]]:
    """The inputs at the sizes to trace at, the first one's and one with each size changed; and the sizes."""
    places: dict[str, list[tuple[str, int]]] = {}
    for name, named in axes.items():
        for axis, symbol in named.items():
            places.setdefault(symbol, []).append((name, axis))
    shapes = {s.name: s.shape for s in signatures}
    sizes: dict[str, tuple[int, int]] = {}
    for symbol, where in places.items():
        known = {shapes[name][axis] for name, axis in where}
        if len(known) > 1:
            raise ValueError(f"dynamic_axes: {symbol!r} is {' and '.join(map(str, sorted(known)))} in the "
                             "examples; axes of one name have one size")
        size = known.pop()
        # one of 1 would stretch to others, and is taken for none
        sizes[symbol] = (2, 3) if all(axis == 0 for _, axis in where) else (size, 2 * size)
    variants: list[list[Signature]] = []
    for changed in ("", *sizes):
        variants.append([])
        for s in signatures:
            named = axes.get(s.name, {})
            shape = [sizes[named[axis]][named[axis] == changed] if axis in named else n
                     for axis, n in enumerate(s.shape)]
            variants[-1].append(Signature(s.name, tuple(shape), s.dtype))
    symbols = [Symbol(symbol, places[symbol][0], tuple(sizes[symbol][symbol == changed]
                                                       for changed in ("", *sizes))) for symbol in sizes]
    return variants, symbols
