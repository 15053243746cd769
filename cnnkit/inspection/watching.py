"""Watching kernels: tables whose kernels record which calls of which modules they serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
from cnnkit.backends.native import NativeCall
from cnnkit.backends.state import Choice, Selection, Watch, choice, local
from cnnkit.foreign import has_shape, is_array
from cnnkit.inspection.explanation import GENERIC, Declined, KernelCall
from cnnkit.ops import OPS
from cnnkit.ops.core import Call

__all__ = ["Recorder", "qualified"]

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
            self.recorder.postponed(link)
        super().append(entry)


class NativeNotes:
    """Is told of native calls, and keeps the functions' names."""

    replays = False

    def __init__(self) -> None:
        self.functions: list[str] = []

    def allocated(self, array: Any) -> None:
        """Memory is of no interest."""

    def called(self, call: NativeCall) -> None:
        self.functions.append(call.function)

    def unlike(self, reason: str) -> None:
        """Nor is what cannot be replayed."""

    def taken(self) -> tuple[str, ...]:
        """The names since the last time."""
        functions, self.functions = self.functions, []
        return tuple(functions)


class Recorder:
    """Notes which kernels serve the calls of a model; a subclass may look at times and arrays too.

    Attributes
    ----------
    rows : list of KernelCall
        In the order in which the kernels ran.
    layer : str
        The module that is being called; empty for the model itself.
    """

    def __init__(self, model: nn.Module | None):
        self.rows: list[KernelCall] = []
        self.layer = ""
        self._modules = [] if model is None else list(model.named_modules())
        self._containers = {"", *(name for name, module in self._modules if [*module.children()])}
        selected = choice.get().tables
        self._selection: Selection = selected.names if isinstance(selected, Watch) else selected
        self._declined: list[Declined] = []
        self._notes = NativeNotes()
        self._tables: dict[tuple[Backend, str], LayerTables] = {}

    # -- what a subclass may do ------------------------------------------------------------------------------

    def run(self, function: Callable[..., Any], arguments: Sequence[Any], settings: Mapping[str, Any]) -> Any:
        """Call a kernel, or what it returned for the way back."""
        return function(*arguments, **settings)

    def postponed(self, link: deferral.Link) -> None:
        """A call waits for a kernel that fuses it; told once for each of its results."""

    def served(self, row: KernelCall, calls: Sequence[Any], arrays: Sequence[Any], needs: Sequence[bool],
               outputs: Any) -> Any:
        """A kernel has served these calls (`cnnkit.backends.Call`); `went_back` gets what this returns."""
        self.rows.append(row)

    def went_back(self, row: KernelCall, forward: Any, dys: Sequence[Any], dxs: Sequence[Any]) -> None:
        """The way back through a call for which `served` returned `forward`."""
        self.rows.append(row)

    def other(self, table: str, key: str, kernel: Kernel) -> Kernel:
        """A kernel that belongs to no module, of an update, of draws or of pixels; or one in its place."""
        return kernel

    def others(self) -> Mapping[str, Kernel]:
        """What serves updates where no kernel does."""
        return {}

    # -- watching --------------------------------------------------------------------------------------------

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the calls of this thread, and of which modules they are, until the block's end."""
        if mode.deferred:  # pending calls of a forward that calls `explain`: the model may write their inputs
            deferral.flush()
        before = choice.here(), mode.deferred, mode.inside
        forwards = [(module, vars(module).get("forward")) for _, module in self._modules]
        for name, module in self._modules:
            vars(module)["forward"] = self.recording(name, module.forward)
        self._serve(Watch(self._selection, self.tables))
        mode.deferred, mode.inside = RecordedCalls(self), False
        try:
            yield
        finally:
            choice.thread.value, mode.deferred, mode.inside = before
            for module, forward in forwards:
                vars(module).pop("forward", None)
                if forward is not None:
                    vars(module)["forward"] = forward

    @contextmanager
    def noting(self, backend: Backend) -> Iterator[None]:
        """Note also the native calls of the tables that serve a backend, until the block's end."""
        with ExitStack() as blocks:
            for table in backend.serving():
                if table.native is not None:
                    blocks.enter_context(table.native().noting(self._notes))
            yield

    @staticmethod
    def _serve(tables: Selection | Watch) -> None:
        """Let these tables serve this thread, and leave alone where its new arrays are made."""
        choice.thread.value = replace(choice.here() or Choice(places=False), tables=tables)

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Ops that a kernel calls are not watched."""
        before = choice.here()
        self._serve(self._selection)
        try:
            yield
        finally:
            choice.thread.value = before

    def recording(self, layer: str, forward: Callable) -> Callable:
        """The forward of a module, which says while it runs that it is this one's."""
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
            for name, generic in self.others().items():
                single[name] = (*single.get(name, ()), generic)
            self._tables[key] = LayerTables(single, merged.root, merged.patterns, self.layer)
        return self._tables[key]

    def _watched(self, layer: str, table: str, key: str | Pattern, kernel: Kernel) -> Kernel:
        if isinstance(key, tuple):
            return self._of_chain(layer, table, kernel)
        return self._of_op(layer, table, key, kernel) if key in OPS else self.other(table, key, kernel)

    def _of_op(self, layer: str, table: str, op: str, kernel: Kernel) -> Kernel:
        def watched(*arrays: Any, **settings: Any) -> Any:
            attrs = {name: value for name, value in settings.items() if name != "needs"}
            return self._call(kernel, table, [layer], [Call(OPS[op], attrs, len(arrays))], arrays, settings)
        return watched

    def _of_chain(self, layer: str, table: str, kernel: Kernel) -> Kernel:
        def watched(*arrays: Any, **settings: Any) -> Any:
            calls = settings["calls"]
            layers = [_layer_of(call, layer) for call in calls]
            return self._call(kernel, table, layers, calls, arrays, settings)
        return watched

    def label(self, layers: Sequence[str], ops: Sequence[str]) -> str:
        """The layers of a chain's calls, joined; behind a module with modules inside stands the op."""
        names: list[str] = []
        for layer, op in zip(layers, ops):
            name = ".".join(filter(None, (layer, op))) if layer in self._containers else layer
            if names[-1:] != [name]:
                names.append(name)
        return "+".join(names)

    def _call(self, kernel: Kernel, table: str, layers: Sequence[str], calls: Sequence[Any],
             arrays: Sequence, settings: dict) -> Any:
        ops = tuple(call.op.name for call in calls)
        local.declined = local.algorithm = ""
        self._notes.taken()
        try:
            with self.unwatched():
                result = self.run(kernel, arrays, settings)
        except BaseException:
            self._declined.clear()
            raise
        kernel_name = qualified(kernel)
        if result is NotImplemented:
            self._declined.append(Declined(table, kernel_name, ops, local.declined))
            return result
        outputs, backward = result
        first = outputs[0] if isinstance(outputs, tuple) else outputs
        row = KernelCall(self.label(layers, ops), ops, tuple(map(_shape, arrays)), _shape(first),
                         _dtype(arrays), table, kernel_name, tuple(self._declined),
                         algorithm=local.algorithm, native=self._notes.taken())
        self._declined.clear()
        forward = self.served(row, calls, arrays, settings["needs"], outputs)
        return outputs, None if backward is None else self._recorded_backward(row, forward, backward)

    def _recorded_backward(self, row: KernelCall, forward: Any, backward: Callable) -> Callable:
        def recorded(*dys: Any) -> Any:
            self._notes.taken()
            with self.unwatched():
                dxs = self.run(backward, dys, {})
            self.went_back(KernelCall(row.layer, row.ops, tuple(map(_shape, dys)), _shape(dxs[0]),
                                      _dtype(dys), row.table, qualified(backward), backward=True,
                                      native=self._notes.taken()),
                           forward, dys, dxs)
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


def qualified(function: Any) -> str:
    """The name by which a reader finds a function."""
    while isinstance(function, partial):
        function = function.func
    named = (function if isinstance(function, FunctionType | BuiltinFunctionType | MethodType)
             else type(function))
    return f"{named.__module__}.{named.__qualname__}"
