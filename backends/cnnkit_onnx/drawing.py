"""From arrays to the values of a graph and back, and the names that nodes get while a model is traced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import ndonnx
import numpy as np
import spox
import spox.opset.ai.onnx.v21 as op  # what ndonnx writes too

from cnnkit.backends import dtype_name
from cnnkit.ops.core import OPS, compose

__all__ = ["Names", "argument", "constant", "drawing", "drawing_chain", "drawn", "graph", "is_naming",
           "name", "naming", "one_node", "op", "var_of"]

Array = Any
Var = Any  # spox.Var
OPSET = 21  # of `op`


def argument(shape: Sequence[int], dtype: Any) -> Array:
    """An input of the graph."""
    return ndonnx.argument(shape=tuple(shape), dtype=dtype)


def var_of(value: Any, dtype: str = "", like: Array | None = None) -> Var:
    """The graph's value behind an array, or a constant for a number, of the dtype of `like`."""
    if not isinstance(value, ndonnx.Array):
        return op.const(value, dtype_name(like.dtype) if like is not None else dtype or None)
    if dtype and dtype_name(value.dtype) != dtype:
        value = ndonnx.astype(value, getattr(ndonnx, dtype))
    return value.unwrap_spox()


def constant(values: Any, dtype: Any) -> Var:
    """A constant of a dtype."""
    return op.const(np.asarray(values, dtype_name(dtype)))


def one_node(kind: str, values: Sequence[Var], like: Array, **attrs: Any) -> Var:
    """An operator with one result of the shape and dtype of `like`, where spox's function asks for more."""
    from onnx import helper

    def described(name: str, dtype: Any, shape: Any) -> Any:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
    names = [f"x{n}" for n in range(len(values))]
    types = [value.unwrap_tensor() for value in values]
    body = helper.make_graph(
        [helper.make_node(kind, names, ["y"], **attrs)], kind,
        [described(name, found.dtype, found.shape) for name, found in zip(names, types)],
        [described("y", types[0].dtype, tuple(like.shape))])
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)])
    return spox.inline(model)(*values)["y"]


def drawn(var: Var) -> Array:
    """The array around a graph's value."""
    return ndonnx.asarray(var)


# -- names ---------------------------------------------------------------------------------------------------

class Names:
    """Names for the values that kernels draw, after the modules that run.

    Attributes
    ----------
    scope : str
        The path of the module that runs; ``""`` is the model.
    """

    def __init__(self) -> None:
        self.scope = ""
        self._names: dict[str, Array] = {}
        self._kinds: dict[int, str] = {}  # id of an array that is named after what it is -> its name

    @property
    def values(self) -> dict[str, Var]:
        """What has been named."""
        return {name: array.unwrap_spox() for name, array in self._names.items()}

    def give(self, array: Array, kind: str) -> None:
        """Name the result of a kernel: after the module, and what it is."""
        self._kinds[id(array)] = self._add(f"{self.scope}.{kind}" if self.scope else kind, array)

    def leave(self, path: str, array: Array) -> None:
        """Name the result of a module after the innermost one that returns it."""
        if path and (name := self._kinds.pop(id(array), None)) is not None:
            del self._names[name]
            self._add(path, array)

    def _add(self, name: str, array: Array) -> str:
        free, count = name, 0
        while free in self._names:
            free, count = f"{name}_{count + 1}", count + 1
        self._names[free] = array
        return free


class _Here(threading.local):
    names: Names | None = None


_here = _Here()


@contextmanager
def naming() -> Iterator[Names]:
    """A block in which what this thread's kernels draw is named."""
    outer, _here.names = _here.names, Names()
    try:
        yield _here.names
    finally:
        _here.names = outer


def name(array: Array, kind: str) -> None:
    """Name the result of a kernel, where names are wanted."""
    if _here.names is not None:
        _here.names.give(array, kind)


def is_naming() -> bool:
    """Whether a model is being traced."""
    return _here.names is not None


def drawing(kind: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel of an op, from a function of its arrays and attributes that returns the result.

    Its way back is that of the op's generic body, drawn only where it is gone.
    """
    @wraps(kernel)
    def serving(*arrays: Array, needs: Sequence[bool], **attrs: Any) -> Any:
        result = kernel(*arrays, **attrs)
        if result is NotImplemented:
            return result
        first = result[0] if isinstance(result, tuple) else result
        if not any(first is array for array in arrays):
            name(first, kind)
        if not any(needs):
            return result, None

        def backward(*dys: Array) -> tuple:
            return OPS[kind].generic(*arrays, needs=needs, **attrs)[1](*dys)
        return result, backward
    return serving


def drawing_chain(kind: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel of a chain, from a function of its arrays and calls that returns the result."""
    @wraps(kernel)
    def serving(*arrays: Array, needs: Sequence[bool], calls: Sequence[Any]) -> Any:
        result = kernel(*arrays, calls=calls)
        if result is NotImplemented:
            return result
        name(result, kind)
        if not any(needs):
            return result, None

        def backward(dy: Array) -> tuple:
            back = compose(calls, arrays, needs)[1]
            assert back is not None
            return back(dy)
        return result, backward
    return serving


def graph(inputs: Mapping[str, Array], outputs: Mapping[str, Array], names: Mapping[str, Var]) -> Any:
    """The ``onnx.ModelProto`` that makes `outputs` of `inputs`; the values in `names` are outputs too."""
    return spox.build({name: array.unwrap_spox() for name, array in inputs.items()},
                      {**names, **{name: array.unwrap_spox() for name, array in outputs.items()}})
