"""Watching kernels: tables whose kernels note which calls of which modules they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from cnnkit import nn
from cnnkit.autograd import deferral
from cnnkit.autograd.tape import mode
from cnnkit.backends import Backend, Tables, dtype_name
from cnnkit.backends.chain import Pattern
from cnnkit.backends.kernel import Kernel
from cnnkit.backends.state import Selection, Watch, default, local
from cnnkit.foreign import has_shape, is_array
from cnnkit.inspection.explanation import GENERIC, Declined, KernelCall
from cnnkit.ops import OPS

__all__ = ["Recorder"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerTables(Tables):
    """Watched tables for the calls of one module."""

    layer: str


class NotedCalls(list):
    """The calls deferred in this thread; one that is entered is given the tables of the module that makes it.

    Else a call that goes on with a chain has the tables, and with them the module, of the call before it.
    """

    def __init__(self, recorder: Recorder):
        super().__init__()
        self.recorder = recorder

    def append(self, entry: Any) -> None:
        link = deferral.link_of(entry)
        if isinstance(link.tables, LayerTables):
            link.tables = self.recorder.tables(link.backend)
        super().append(entry)


class Recorder:
    """Notes which kernels serve the calls of a model.

    Attributes
    ----------
    rows : list of KernelCall
        In the order in which the kernels ran.
    layer : str
        The module that is being called; empty for the model itself.
    """

    def __init__(self, model: nn.Module):
        self.rows: list[KernelCall] = []
        self.layer = ""
        self.model = model
        self._containers = {"", *(name for name, module in model.named_modules() if [*module.children()])}
        chosen = local.tables or default.tables
        self._selection: Selection = chosen.names if isinstance(chosen, Watch) else chosen
        self._declined: list[Declined] = []
        self._tables: dict[tuple[Backend, str], LayerTables] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calls of the model's modules until the block's end, in this thread.

        Who keeps the modules' attributes must put back their ``forward``.
        """
        if mode.deferred:  # of a forward that calls `explain`: the model may write to what it has yet to read
            deferral.flush()
        before = local.tables, mode.deferred, mode.inside
        for name, module in self.model.named_modules():
            vars(module)["forward"] = self._noting(name, module.forward)
        local.tables = Watch(self._selection, self.tables)
        mode.deferred, mode.inside = NotedCalls(self), False
        try:
            yield
        finally:
            local.tables, mode.deferred, mode.inside = before

    def _noting(self, layer: str, forward: Callable) -> Callable:
        @wraps(forward)
        def noted(*args: Any, **kwargs: Any) -> Any:
            before, self.layer = self.layer, layer
            try:
                return forward(*args, **kwargs)
            finally:
                self.layer = before
        return noted

    def tables(self, backend: Backend) -> LayerTables:
        """The tables that serve a backend, with watched kernels, for calls of the module that runs now."""
        at = backend, self.layer
        if at not in self._tables:
            serving = [table for table in backend.selected(self._selection) if table.available() is True]
            merged = Tables.merged([(table.name, table.load()) for table in serving],
                                   partial(self._watched, self.layer))
            single = dict(merged.single)
            for name, op in OPS.items():
                single[name] = (*single.get(name, ()), self._of_op(self.layer, GENERIC, name, op.generic))
            self._tables[at] = LayerTables(single, merged.root, merged.patterns, self.layer)
        return self._tables[at]

    def _watched(self, layer: str, table: str, key: str | Pattern, kernel: Kernel) -> Kernel:
        if isinstance(key, tuple):
            return self._of_chain(layer, table, kernel)
        if key not in OPS:  # updates and draws are no calls of a model
            return kernel
        return self._of_op(layer, table, key, kernel)

    def _of_op(self, layer: str, table: str, op: str, kernel: Kernel) -> Kernel:
        def watched(*arrays: Any, **settings: Any) -> Any:
            return self._ask(kernel, table, (op,), self._label([layer], [op]), arrays, settings)
        return watched

    def _of_chain(self, layer: str, table: str, kernel: Kernel) -> Kernel:
        def watched(*arrays: Any, **settings: Any) -> Any:
            calls = settings["calls"]
            ops = tuple(call.op.name for call in calls)
            layers = [_layer_of(call, layer) for call in calls]
            return self._ask(kernel, table, ops, self._label(layers, ops), arrays, settings)
        return watched

    def _label(self, layers: Sequence[str], ops: Sequence[str]) -> str:
        """The layers of a chain's calls, joined; behind a module with modules inside stands the op."""
        names: list[str] = []
        for layer, op in zip(layers, ops):
            name = ".".join(filter(None, (layer, op))) if layer in self._containers else layer
            if names[-1:] != [name]:
                names.append(name)
        return "+".join(names)

    def _ask(self, kernel: Kernel, table: str, ops: tuple[str, ...], layer: str, arrays: Sequence,
             settings: dict) -> Any:
        before, local.tables = local.tables, self._selection  # what a kernel calls itself is a part of it
        local.declined = ""
        try:
            result = kernel(*arrays, **settings)
        except BaseException:
            self._declined.clear()
            raise
        finally:
            local.tables = before
        called = _qualified(kernel)
        if result is NotImplemented:
            self._declined.append(Declined(table, called, ops, local.declined))
            return result
        outputs, backward = result
        made = outputs[0] if isinstance(outputs, tuple) else outputs
        row = KernelCall(layer, ops, tuple(map(_shape, arrays)), _shape(made), _dtype(arrays), table, called,
                         tuple(self._declined))
        self._declined.clear()
        self.rows.append(row)
        return outputs, None if backward is None else self._noted_backward(row, backward)

    def _noted_backward(self, row: KernelCall, backward: Callable) -> Callable:
        def noted(*dys: Any) -> Any:
            dxs = backward(*dys)
            self.rows.append(KernelCall(row.layer, row.ops, tuple(map(_shape, dys)), _shape(dxs[0]),
                                        _dtype(dys), row.table, _qualified(backward), backward=True))
            return dxs
        return noted


def _layer_of(call: Any, other: str) -> str:
    """The module that made a call, or another where the call was not deferred."""
    return (call.tables.layer if isinstance(call, deferral.Link)
            and isinstance(call.tables, LayerTables) else other)


def _shape(value: Any) -> Shape | None:
    return None if value is None else tuple(value.shape) if has_shape(value) else ()


def _dtype(arrays: Sequence) -> str:
    return next(dtype_name(array.dtype) for array in arrays if is_array(array))


def _qualified(function: Any) -> str:
    """The name by which a reader finds a function."""
    while isinstance(function, partial):
        function = function.func
    named = (function if isinstance(function, FunctionType | BuiltinFunctionType | MethodType)
             else type(function))
    return f"{named.__module__}.{named.__qualname__}"
