"""Watching kernels: tables whose kernels record which calls of which modules they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, wraps
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from cnnkit import nn
from cnnkit.autograd import deferral
from cnnkit.autograd.tape import mode
from cnnkit.backends import Backend, Tables, dtype_name
from cnnkit.backends.chain import Pattern
from cnnkit.backends.kernel import Kernel
from cnnkit.backends.state import Choice, Selection, Watch, choice, local
from cnnkit.foreign import has_shape, is_array
from cnnkit.inspection.explanation import GENERIC, Declined, KernelCall
from cnnkit.ops import OPS

__all__ = ["Recorder"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerTables(Tables):
    """Watched tables for the calls of one module."""

    layer: str


class RecordedCalls(list):
    """The list of calls deferred in this thread; each new call gets the tables of the module that makes it.

    Otherwise a call that extends a chain would keep the tables, and so the module, of the call before it.
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
        selected = choice.get().tables
        self._selection: Selection = selected.names if isinstance(selected, Watch) else selected
        self._declined: list[Declined] = []
        self._tables: dict[tuple[Backend, str], LayerTables] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calls of the model's modules until the block's end, in this thread.

        It sets the modules' attribute ``forward``, which the caller must remove again.
        """
        if mode.deferred:  # pending calls of a forward that calls `explain`: the model may write their inputs
            deferral.flush()
        before = choice.here(), mode.deferred, mode.inside
        for name, module in self.model.named_modules():
            vars(module)["forward"] = self._recording(name, module.forward)
        self._serve(Watch(self._selection, self.tables))
        mode.deferred, mode.inside = RecordedCalls(self), False
        try:
            yield
        finally:
            choice.thread.value, mode.deferred, mode.inside = before

    @staticmethod
    def _serve(tables: Selection | Watch) -> None:
        """Let these tables serve this thread, and leave alone where its new arrays are made."""
        choice.thread.value = replace(choice.here() or Choice(places=False), tables=tables)

    def _recording(self, layer: str, forward: Callable) -> Callable:
        @wraps(forward)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            before, self.layer = self.layer, layer
            try:
                return forward(*args, **kwargs)
            finally:
                self.layer = before
        return recorded

    def tables(self, backend: Backend) -> LayerTables:
        """The tables that serve a backend, with watched kernels, for calls of the module that runs now."""
        key = backend, self.layer
        if key not in self._tables:
            serving = [table for table in backend.selected(self._selection) if table.available() is True]
            merged = Tables.merged([(table.name, table.load()) for table in serving],
                                   partial(self._watched, self.layer))
            single = dict(merged.single)
            for name, op in OPS.items():
                body = self._of_op(self.layer, GENERIC, name, op.body(backend))
                single[name] = (*single.get(name, ()), body)
            self._tables[key] = LayerTables(single, merged.root, merged.patterns, self.layer)
        return self._tables[key]

    def _watched(self, layer: str, table: str, key: str | Pattern, kernel: Kernel) -> Kernel:
        if isinstance(key, tuple):
            return self._of_chain(layer, table, kernel)
        if key not in OPS:  # updates and random draws belong to no module
            return kernel
        return self._of_op(layer, table, key, kernel)

    def _of_op(self, layer: str, table: str, op: str, kernel: Kernel) -> Kernel:
        def watched(*arrays: Any, **settings: Any) -> Any:
            return self._call(kernel, table, (op,), self._label([layer], [op]), arrays, settings)
        return watched

    def _of_chain(self, layer: str, table: str, kernel: Kernel) -> Kernel:
        def watched(*arrays: Any, **settings: Any) -> Any:
            calls = settings["calls"]
            ops = tuple(call.op.name for call in calls)
            layers = [_layer_of(call, layer) for call in calls]
            return self._call(kernel, table, ops, self._label(layers, ops), arrays, settings)
        return watched

    def _label(self, layers: Sequence[str], ops: Sequence[str]) -> str:
        """The layers of a chain's calls, joined; behind a module with modules inside stands the op."""
        names: list[str] = []
        for layer, op in zip(layers, ops):
            name = ".".join(filter(None, (layer, op))) if layer in self._containers else layer
            if names[-1:] != [name]:
                names.append(name)
        return "+".join(names)

    def _call(self, kernel: Kernel, table: str, ops: tuple[str, ...], layer: str, arrays: Sequence,
             settings: dict) -> Any:
        before = choice.here()
        self._serve(self._selection)  # ops that a kernel calls are not watched
        local.declined = ""
        try:
            result = kernel(*arrays, **settings)
        except BaseException:
            self._declined.clear()
            raise
        finally:
            choice.thread.value = before
        kernel_name = _qualified(kernel)
        if result is NotImplemented:
            self._declined.append(Declined(table, kernel_name, ops, local.declined))
            return result
        outputs, backward = result
        first = outputs[0] if isinstance(outputs, tuple) else outputs
        row = KernelCall(layer, ops, tuple(map(_shape, arrays)), _shape(first), _dtype(arrays), table,
                         kernel_name, tuple(self._declined))
        self._declined.clear()
        self.rows.append(row)
        return outputs, None if backward is None else self._recorded_backward(row, backward)

    def _recorded_backward(self, row: KernelCall, backward: Callable) -> Callable:
        def recorded(*dys: Any) -> Any:
            dxs = backward(*dys)
            self.rows.append(KernelCall(row.layer, row.ops, tuple(map(_shape, dys)), _shape(dxs[0]),
                                        _dtype(dys), row.table, _qualified(backward), backward=True))
            return dxs
        return recorded


def _layer_of(call: Any, other: str) -> str:
    """The module that made a call, or `other` where the call was not deferred."""
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
