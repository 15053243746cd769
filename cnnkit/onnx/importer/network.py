"""The module that an ONNX graph becomes: a child module for each node, and parameters under ONNX's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnkit import nn
from cnnkit.autograd import Tensor, tensor
from cnnkit.autograd.creation import as_tensor
from cnnkit.onnx.importer.calling import call
from cnnkit.onnx.importer.costs import flops
from cnnkit.onnx.importer.graph import Graph, Input, Node
from cnnkit.onnx.importer.host import host
from cnnkit.onnx.importer.naming import Names
from cnnkit.onnx.importer.narrow import NARROW, cast
from cnnkit.onnx.importer.program import program, run

__all__ = ["OnnxModel", "OnnxNode"]


class OnnxNode(nn.Module):
    """One node of an `OnnxModel`, which calls it with all of the node's inputs, weights too.

    Attributes
    ----------
    node : Node
        The node: its operator, names and attributes.
    """

    node: Node

    def __init__(self, node: Node, weights: tuple[tuple[nn.Module, str], ...]):
        super().__init__()
        self.node, self._weights = node, weights

    def forward(self, *values: Tensor | None) -> Any:
        return call(self.node, values, self.training)

    def borrowed_parameters(self) -> list[nn.Parameter]:
        """The parameters that the node computes with; they belong to the model."""
        return [vars(owner)[name] for owner, name in self._weights]

    def count_flops(self, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> int | None:
        """Floating-point operations of a call, as `cnnkit.summary` counts those of cnnkit's own layers."""
        weights = [parameter.shape for parameter in self.borrowed_parameters()]
        return flops(self.node, weights, input_shape, output_shape)

    def _get_name(self) -> str:
        return self.node.operator.name

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r:.60}" for name, value in self.node.attributes.items())
        return f"{self._get_name()}({settings})"


class OnnxModel(nn.Module):
    """An ONNX model as a module; `cnnkit.onnx.load` makes it.

    Call it with arrays or Tensors, in the graph's order or by its names. It is differentiable, trains, and
    moves to any backend like every module. Weights are parameters, called as in ONNX, with what no Python
    name may have replaced by ``_`` and dots as modules within modules (`naming.Names`); batch norm's running
    statistics are buffers. Each node is a child module, for hooks and `cnnkit.summary`.

    Attributes
    ----------
    inputs : tuple of Input
        Each with ``name``, ``dtype`` and ``shape``.
    outputs : tuple of str
        The names of the outputs; a call returns one Tensor, or a tuple of as many as there are names.
    metadata : dict of str to str
        The texts that whoever wrote the file put into it.
    gives_probabilities : bool
        Whether the first output is that of a softmax.
    """

    inputs: tuple[Input, ...]
    metadata: dict[str, str]
    outputs: tuple[str, ...]
    gives_probabilities: bool

    def __init__(self, graph: Graph, computed: Mapping[str, Tensor], metadata: Mapping[str, str]):
        super().__init__()
        self.inputs, self.outputs, self.metadata = graph.inputs, graph.outputs, dict(metadata)
        self._narrow = dict(graph.narrow)
        self._names = Names()
        self._places: dict[str, tuple[nn.Module, str]] = {}  # ONNX's name -> where the parameter or buffer is
        self._host: dict[str, Tensor] = {}
        self.gives_probabilities = any(node.operator.name == "Softmax" and self.outputs[0] in node.outputs
                                       for node in graph.nodes)
        roles = _roles(graph)
        for name, array in graph.constants.items():
            self._put(name, array, roles.get(name, set()), may_train=True)
        for name, value in computed.items():
            self._put(name, value.numpy(), roles.get(name, set()), may_train=False)
        modules = {id(node): self._put_node(number, node) for number, node in enumerate(graph.every_node())
                   if not node.branches}
        self._program = program(graph.nodes, graph.outputs, modules)

    def _put(self, name: str, array: np.ndarray, roles: set[str], may_train: bool) -> None:
        """Make a constant a parameter, a buffer, or a value on the host, where only settings are read of it.
        """
        if array.dtype.kind != "f" or roles <= {"setting"}:
            self._host[name] = host(array)
            return
        weight = "weight" in roles or ("number" in roles and array.size > 1)
        path = self._names.legal(name)
        *parts, last = path.split(".")
        owner: nn.Module = self
        for part in parts:
            if part not in vars(owner):
                owner.add_module(part, nn.Module())
            owner = vars(owner)[part]
        if weight and may_train and array.ndim:
            setattr(owner, last, nn.Parameter(tensor(array)))
        else:
            owner.register_buffer(last, tensor(array), persistent="state" in roles)
        self._places[name] = owner, last

    def _put_node(self, number: int, node: Node) -> str:
        """Make a node a child module; its name."""
        weights = tuple(self._places[name] for name in dict.fromkeys(node.inputs) if name in self._places and
                        isinstance(vars(self._places[name][0])[self._places[name][1]], nn.Parameter))
        titled = node.title[0] in "'\""
        name = self._names.legal(node.title[1:-1].strip("/") if titled else f"{node.operator.name}_{number}",
                                 dots=False)
        self.add_module(name, OnnxNode(node, weights))
        return name

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs for these inputs."""
        values = self._bound(args, kwargs)
        del args, kwargs
        values.update(self._host)
        for name, (owner, attribute) in self._places.items():
            values[name] = vars(owner)[attribute]
        run(self._program, vars(self), values)
        for name in self.outputs:
            values[name] = self._rounded(name, values[name])
        return values[self.outputs[0]] if len(self.outputs) == 1 else tuple(values[n] for n in self.outputs)

    def _bound(self, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs by their names."""
        names = [value.name for value in self.inputs]
        if len(args) > len(names):
            raise TypeError(f"the model takes {len(names)} inputs ({', '.join(names)}); got {len(args)}")
        bound = dict(zip(names, args))
        for name, value in kwargs.items():
            if name not in names or name in bound:
                raise TypeError(f"the model got {name!r} twice" if name in bound else
                                f"the model has no input {name!r}; it has {', '.join(names)}")
            bound[name] = value
        missing = [name for name in names if name not in bound]
        if missing:
            raise TypeError(f"the model lacks the input {missing[0]!r}; it takes {', '.join(names)}")
        return {name: self._rounded(name, value if isinstance(value, Tensor) else as_tensor(value))
                for name, value in bound.items()}

    def _rounded(self, name: str, value: Tensor) -> Tensor:
        """An input or output as its dtype has it, where that is a narrow one."""
        return cast(value, NARROW[self._narrow[name]], saturate=False) if name in self._narrow else value

    def __repr__(self) -> str:
        inputs = [f"{value.name}: {value.dtype}{_shown(value)}" for value in self.inputs]
        nodes = [f"({name}): {child!r}" for name, child in vars(self).items() if isinstance(child, OnnxNode)]
        return "\n  ".join(["OnnxModel(", *inputs, *nodes]) + "\n)"


def _shown(value: Input) -> str:
    if value.shape is None:
        return " of any shape"
    return f" ({', '.join('?' if n is None else str(n) for n in value.shape)})"


def _roles(graph: Graph) -> dict[str, set[str]]:
    """What each constant is to the nodes that read it: "weight", "number", "state" or "setting"."""
    roles: dict[str, set[str]] = {name: {"number"} for name in graph.outputs}
    for node in graph.every_node():
        for position, name in enumerate(node.inputs[:1] if node.branches else node.inputs):
            declared = node.operator
            called = declared.input_name(position)
            role = ("setting" if called in declared.settings else "state" if called in declared.state
                    else "number" if declared.elementwise else "weight")
            roles.setdefault(name, set()).add(role)
        for branch in node.branches:
            for name in branch.outputs:
                roles.setdefault(name, set()).add("number")
    return roles
