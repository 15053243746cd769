"""Recording: a step runs once as ever, and every kernel that it runs is noted as a unit.

A unit is one call of a kernel (or of a backward, or a sum of gradients on the tape): the arrays that went in
and came out, by slot, and the native calls that were made meanwhile. It is found as `cnnkit.explain` finds
kernels: by watched tables. Whatever enters a unit must be an argument, a parameter, a buffer, or what an
earlier unit has made; anything else (an array made by NumPy, a number that was read) has a value that a
replay could not know, so the recording fails, and says where.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from cnnkit.autograd import deferral
from cnnkit.autograd.tape import mode
from cnnkit.backends import Backend, Tables
from cnnkit.backends.chain import Pattern
from cnnkit.backends.kernel import Kernel, ask
from cnnkit.backends.native import NativeCall, NativeCalls
from cnnkit.backends.state import Choice, Selection, Watch, choice
from cnnkit.capturing.memory import Regions
from cnnkit.capturing.units import Constant, Slot, Unit
from cnnkit.capturing.updating import GroupUpdate, begun, finished
from cnnkit.capturing.users_code import line_of_user
from cnnkit.ops.core import OPS, Call
from cnnkit.optim import Optimizer
from cnnkit.random import Key, keys

__all__ = ["Recording", "Unlike"]

Array = Any
GENERIC = ""  # the table of ops' own bodies


class _Keys(keys.Generator):
    """The thread's generator while a step is recorded: it notes the keys that it hands out."""

    def __init__(self, outer: keys.Generator, recording: Recording):
        self._outer, self._recording = outer, recording
        self._stream = outer._stream

    def next_key(self) -> Key:
        key = self._outer.next_key()
        self._recording.keys.append(key)
        return key

    def _start(self, seed: int, base: Key, count: int) -> None:
        self._recording.fail("it sets the state of the random numbers")
        self._outer._start(seed, base, count)
        self._stream = self._outer._stream


class Recording:
    """What a step does, in units; it is told by watched tables, by the tape, and by a table's native calls.

    Attributes
    ----------
    reason : str
        Why the step cannot be captured; empty as long as it can.
    units : list of Unit
    constants : list of (Slot, array)
        Arrays that are the same in every replay: the 1 that a backward pass begins with.
    keys : list of Key
        The random keys that were drawn, in order.
    updates : list of (Unit, list of GroupUpdate)
        The optimizers' steps that are units.
    actions : list of callable
        What is called again at the end of every replay: optimizers' steps that are none.
    effects : list of callable
        What is called again before them: counters.
    """

    replays = True
    backend: Backend
    native: NativeCalls
    table: str

    def __init__(self, backend: Backend, kind: type, table: str, native: NativeCalls):
        self.backend, self.kind, self.table, self.native = backend, kind, table, native
        self.reason: str = ""
        self.units: list[Unit] = []
        self.slots: list[Slot] = []
        self.regions: Regions = Regions()
        self.constants: list[tuple[Slot, Array]] = []
        self.keys: list[Key] = []
        self.updates: list[tuple[Unit, list[GroupUpdate]]] = []
        self.actions: list[Callable[..., Any]] = []
        self.effects: list[Callable[..., Any]] = []
        self._unit: Unit | None = None
        self._slot_of: dict[int, tuple[Any, Slot]] = {}  # id of an array -> a weak reference to it, its slot
        selected = choice.get().tables
        self._selection: Selection = selected.names if isinstance(selected, Watch) else selected
        self._tables: dict[Backend, Tables] = {}

    def fail(self, reason: str) -> None:
        """The step cannot be captured; the first reason stays, with the line of the user's code."""
        if not self.reason:
            self.reason = f"{reason} ({line_of_user()})"

    # -- arrays ----------------------------------------------------------------------------------------------

    def external(self, array: Array) -> Slot:
        """The slot of an array that is there before the step."""
        known = self.slot_of(array)
        return self._add(array, None) if known is None else known

    def slot_of(self, array: Array) -> Slot | None:
        """The slot of an array; ``None`` of one that no unit has made."""
        entry = self._slot_of.get(id(array))
        return None if entry is None or entry[0]() is not array else entry[1]

    def living(self, others: set[int]) -> list[Slot]:
        """The slots whose arrays somebody holds, but for those of `others`, by ``id``."""
        return [slot for number, (array, slot) in self._slot_of.items()
                if number not in others and array() is not None]

    def acted_on(self, array: Array) -> bool:
        """Whether an action has made an array."""
        return bool(self.actions) and self.slot_of(array) is None

    def constant(self, array: Array) -> None:
        """An array whose numbers are the same in every replay."""
        self.constants.append((self.external(array), array))

    def _add(self, array: Array, maker: Unit | None) -> Slot:
        start, size, owner = self.native.where(array)
        found = self.regions.find(start) if size else None
        if found is None:
            number = None if maker is None else maker.number
            found = self.regions.add(start, size, owner, number), 0
        region = found[0]
        slot = Slot(len(self.slots), maker, region, self.native.address(array) - region.start,
                    (tuple(array.shape), array.dtype, array.strides))
        self.slots.append(slot)
        self._slot_of[id(array)] = weakref.ref(array), slot
        return slot

    # -- units -----------------------------------------------------------------------------------------------

    def _begin(self, label: str, run: Callable, arrays: Sequence, forward: Unit | None = None,
               key: int | None = None) -> Unit:
        if self.actions:
            self.fail(f"{label} comes after an optimizer's or a schedule's step, which must be the last")
        ins: list = []
        for array in arrays:
            if array is None or type(array) in (int, float, bool):
                ins.append(Constant(array))
                continue
            slot = self.slot_of(array)
            if slot is None:
                self.fail(f"{label} uses an array of shape {tuple(array.shape)} that is no argument of the "
                          "step, no parameter or buffer that it is known to use, and not made by an op")
            ins.append(Constant(array) if slot is None else slot)
        unit = Unit(len(self.units), label, run, ins, forward, key)
        self.units.append(unit)
        return unit

    @contextmanager
    def _running(self, unit: Unit | None) -> Iterator[None]:
        """Kernels that a kernel calls are its own business."""
        before, generator = choice.here(), keys._local.generator
        _serve(self._selection)
        self._unit, mode.recorder = unit, None
        if unit is None:  # it draws what is drawn anew in every replay
            keys._local.generator = self._outer
        try:
            yield
        finally:
            self._unit, mode.recorder, choice.thread.value = None, self, before
            keys._local.generator = generator

    def _end(self, unit: Unit, outputs: Sequence) -> None:
        for array in outputs:
            if array is None:
                unit.outs.append(None)
                continue
            known = self.slot_of(array)
            unit.outs.append(self._add(array, unit) if known is None else known)

    def allocated(self, array: Array) -> None:
        if self._unit is not None:
            start, size, owner = self.native.where(array)
            self.regions.add(start, size, owner, self._unit.number, noted=True)

    def called(self, call: NativeCall) -> None:
        unit = self._unit
        if unit is None:
            return
        def find(address: int) -> Any:
            place = self.regions.find(address) if address else None
            if address and place is None:
                self.unlike(f"{call.function} gets memory that is not known")
            return place
        places: list = []
        for argument in call.arguments:
            if argument.kind in ("reads", "writes"):
                places.append(tuple(map(find, argument.value)))
            else:
                places.append(find(argument.value) if argument.kind in ("read", "write") else None)
        unit.calls.append((call, places))

    def unlike(self, reason: str) -> None:
        if self._unit is not None:
            self._unit.pure, self._unit.why = False, reason

    # -- what the tape tells ---------------------------------------------------------------------------------

    def add(self, backend: Backend, x: Array, y: Array) -> Array:
        """A sum of gradients."""
        unit = self._begin("a sum of gradients", lambda arrays, key: (backend.add(*arrays), None), (x, y))
        unit.pure = "add" in self.native.pure
        with self._running(unit):
            total = backend.add(x, y)
        self._end(unit, (total,))
        return total

    def reads(self, tensor: Any) -> None:
        """Somebody reads the numbers of a Tensor."""
        self.fail(f"the numbers of a Tensor of shape {tensor.shape} are read, for a branch, a Python number "
                  "or NumPy")

    def act(self, action: Callable[[], Any]) -> Any:
        """Call what is called anew in every replay, after all units."""
        if mode.deferred:
            deferral.flush()
        with self._running(None):
            result = action()
        self.actions.append(action)
        return result

    def step(self, optimizer: Optimizer, closure: Callable[..., Any] | None) -> Any:
        """An optimizer's step: a unit, where it is native calls alone; else an action."""
        if mode.deferred:
            deferral.flush()
        action = partial(optimizer.step, closure)
        groups, ins = ([], []) if closure is not None or self.actions else begun(optimizer, self)
        if not groups:
            return self.act(action)
        unit = Unit(len(self.units), f"{type(optimizer).__name__}.step", _untied, ins, None, None)
        self.units.append(unit)
        optimizer._workspaces = [{} for _ in optimizer._workspaces]  # memory that it has is not told of
        with self._running(unit):
            result = action()
        if finished(groups, self, unit):
            self.updates.append((unit, groups))
        else:
            self.units.pop()
            self._slot_of = {key: entry for key, entry in self._slot_of.items() if entry[1].maker is not unit}
            self.actions.append(action)
        return result

    def affect(self, effect: Callable[[], Any]) -> None:
        """What a replay repeats before the actions."""
        self.effects.append(effect)

    # -- kernels ---------------------------------------------------------------------------------------------

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note what this thread does until the block's end."""
        if mode.deferred:
            deferral.flush()
        before, generator = choice.here(), vars(keys._local).get("generator")
        self._outer = keys._current()
        _serve(Watch(self._selection, self.tables))
        mode.recorder, keys._local.generator = self, _Keys(self._outer, self)
        try:
            with self.native.noting(self):
                yield
        finally:
            choice.thread.value, mode.recorder, keys._local.generator = before, None, generator

    def tables(self, backend: Backend) -> Tables:
        """The tables that serve a backend, with watched kernels."""
        if backend not in self._tables:
            serving = [table for table in backend.selected(self._selection) if table.available() is True]
            loaded = [(table.name, table.load()) for table in serving]
            names: dict[Kernel, str] = {}

            def chains(table: str, key: str | Pattern, kernel: Kernel) -> Kernel:
                if isinstance(key, str):
                    names[kernel] = table
                    return kernel
                return self._of_chain(table, kernel)
            merged = Tables.merged(loaded, chains)
            single = dict(merged.single)
            for name, op in OPS.items():
                body = op.body(backend)
                single[name] = (self._of_op(name, (*single.get(name, ()), body), {**names, body: GENERIC}),)
            self._tables[backend] = Tables(single, merged.root, merged.patterns)
        return self._tables[backend]

    def _of_op(self, name: str, kernels: tuple[Kernel, ...], tables: dict[Kernel, str]) -> Kernel:
        op = OPS[name]

        def watched(*arrays: Any, **settings: Any) -> Any:
            served: list[str] = []

            def noted(kernel: Kernel, *arguments: Any, **attrs: Any) -> Any:
                result = kernel(*arguments, **attrs)
                if result is not NotImplemented:
                    served.append(tables[kernel])
                return result
            key = self._key(name, settings)
            unit = self._begin(name, partial(_again, kernels, settings), arrays, key=key)
            with self._running(unit):
                outputs, backward = ask([partial(noted, kernel) for kernel in kernels], arrays, settings)
            many = op.outputs > 1
            flat = self.as_arrays(outputs if many else (outputs,))
            self._end(unit, flat)
            unit.pure &= (served[0] == self.table and name in self.native.pure) or (
                op.view is not None and not unit.calls)
            return flat if many else flat[0], self._backward(unit, backward)
        return watched

    def _of_chain(self, table: str, kernel: Kernel) -> Kernel:
        def watched(*arrays: Any, **settings: Any) -> Any:
            calls = [Call(call.op, call.attrs, call.count) for call in settings["calls"]]
            settings = {**settings, "calls": calls}
            label = "+".join(call.op.name for call in calls)
            unit = self._begin(label, partial(_again, (kernel,), settings), arrays)
            if any("key" in call.attrs for call in calls):
                self.fail(f"{label} draws random numbers in a chain")
            with self._running(unit):
                result = kernel(*arrays, **settings)
            if result is NotImplemented:
                if unit.calls:
                    self.fail(f"{label}: its numbers decide which kernel serves")
                self.units.pop()
                return result
            outputs, backward = result
            flat = self.as_arrays(outputs if isinstance(outputs, tuple) else (outputs,))
            self._end(unit, flat)
            unit.pure &= table == self.table and self.native.pure.issuperset(call.op.name for call in calls)
            return flat if isinstance(outputs, tuple) else flat[0], self._backward(unit, backward)
        return watched

    def _backward(self, forward: Unit, backward: Callable | None) -> Callable | None:
        if backward is None:
            return None

        def recorded(*dys: Any) -> Any:
            if mode.recorder is not self:
                return backward(*dys)
            unit = self._begin(f"{forward.label} backward", _untied, dys, forward)
            with self._running(unit):
                dxs = backward(*dys)
            dxs = self.as_arrays(tuple(dxs))
            self._end(unit, dxs)
            unit.pure &= forward.pure
            return dxs
        return recorded

    def _key(self, name: str, settings: dict) -> int | None:
        key = settings.get("key")
        if key is None:
            return None
        number = next((n for n, drawn in enumerate(self.keys) if drawn is key), None)
        if number is None:
            self.fail(f"{name} draws from a random generator that is not the thread's")
        return number

    def as_arrays(self, outputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """A unit's outputs, with arrays in place of the scalars that some libraries return."""
        return tuple(array if array is None or type(array) is self.kind
                     else self.backend.namespace.asarray(array) for array in outputs)


def _again(kernels: Sequence[Kernel], settings: dict, arrays: Sequence, key: Key | None) -> Any:
    """Call kernels with the arrays and the random key of a replay."""
    result = ask(kernels, arrays, settings if key is None else {**settings, "key": key})
    if result is NotImplemented:
        raise Unlike
    return result


def _untied(arrays: Sequence, key: Key | None) -> Any:
    raise AssertionError("a backward is called by the closure that its forward returns")


class Unlike(Exception):
    """A replay finds that the numbers of this call want other kernels than those recorded."""


def _serve(tables: Selection | Watch) -> None:
    choice.thread.value = replace(choice.here() or Choice(places=False), tables=tables)
