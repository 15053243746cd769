"""An optimizer's step as a part of the list: its state goes in and comes out, its settings are read anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import is_, itemgetter
from typing import Any

from cnnkit.backends.native import NativeUpdates, UpdateNumbers
from cnnkit.capturing.units import Slot, Unit
from cnnkit.optim import Optimizer

__all__ = ["GroupUpdate", "begun", "finished", "is_native"]

Array = Any
COUNTER = "step"


class GroupUpdate:
    """The update of one group of an optimizer's parameters.

    Attributes
    ----------
    optimizer, number : Optimizer, int
        Whose group it is, and which.
    before : list of (str, int, Slot)
        The arrays of the state that it reads: name, parameter and slot; and so `after`, which it makes.
    counted : list of int
        The positions of the parameters whose steps are counted, where the update counts.
    call : int
        Which of its unit's calls it is.
    """

    number: int
    optimizer: Optimizer
    update: UpdateNumbers
    before: list[Any]
    having: list[Any]

    def __init__(self, optimizer: Optimizer, number: int, update: UpdateNumbers, before: list[Any],
                 having: list[Any]):
        self.optimizer, self.number, self.update = optimizer, number, update
        self.group: dict[str, Any] = optimizer.param_groups[number]
        self.params: list[Any] = [*self.group["params"]]
        self.before, self.having = before, having
        self.after: list[tuple[str, int, Slot]] = []
        self.counted: list[int] = []
        self.call = 0
        self.names: tuple[str, ...] = ()
        self._read = itemgetter(*optimizer.hyper)
        self._known: tuple = ()  # the settings that stand in the call
        self.form = update.form(**self.settings())
        self._counters = [*optimizer._states[number].get(COUNTER, [None] * len(self.params))]  # when recorded

    def settings(self) -> dict[str, Any]:
        """The group's settings now."""
        return self.optimizer._settings(self.number, self.group)

    def fits(self) -> bool:
        """Whether the optimizer still keeps its state in columns, for these parameters."""
        params = self.group["params"]
        return (self.optimizer._tensors is None and len(params) == len(self.params)
                and all(map(is_, params, self.params)))

    def numbers(self) -> dict[str, Any] | None:
        """The arguments to set before a replay, by name; ``None`` where the settings want another call."""
        values = self._read(self.group)
        if values == self._known and not self.counted:
            return {}
        settings = self.settings()
        if self.update.form(**settings) != self.form:
            return None
        # a Tensor's number may change without another Tensor
        self._known = () if self.optimizer._known[self.number] is None else values
        return self.update.numbers(self.steps(), **settings)

    def steps(self) -> list[int] | None:
        """The number of the step that each counted parameter makes next."""
        if not self.counted:
            return None
        column = self.optimizer._states[self.number][COUNTER]
        return [column[i] + 1 for i in self.counted]

    def is_like(self, state: Mapping[str, Sequence[Any]]) -> bool:
        """Whether a state has what this update reads, and nothing else."""
        return state.keys() == set(self.names) and all(
            len(column) == len(self.params) for column in state.values()) and not any(
            state[name][i] is None for name, i, _ in self.before) and all(
            type(state[COUNTER][i]) is int for i in self.counted)

    def state(self, arrays: Mapping[int, Array]) -> dict[str, list[Any]]:
        """The state afterwards: these arrays, by number of their slot, and the steps that are counted."""
        columns: dict[str, list] = {name: [None] * len(self.params) for name in self.names}
        for name, i, slot in self.after:
            columns[name][i] = arrays[slot.number]
        return columns

    def count(self, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """The state with its counters one further than the optimizer's now."""
        if not self.counted:
            return columns
        steps = [*self.optimizer._states[self.number][COUNTER]]
        for i in self.counted:
            steps[i] += 1
        return {**columns, COUNTER: steps}

    def finish(self, recording: Any, unit: Unit) -> bool:
        """Note the state that the recorded step has made; whether it is new arrays and counted steps."""
        state, known = self.optimizer._states[self.number], {(name, i) for name, i, _ in self.before}
        self.names = tuple(state)
        for name, column in state.items():
            for i, value in enumerate(column):
                if value is None and i not in self.having:
                    continue
                if name == COUNTER and self._counters[i] is not None and value == self._counters[i] + 1:
                    self.counted.append(i)
                elif type(value) is recording.kind and (name, i) in known and i in self.having:
                    recording._end(unit, (value,))
                    self.after.append((name, i, unit.outs[-1]))  # type: ignore[arg-type]
                else:
                    return False
        return len(self.after) == len(self.before) and self.counted in ([], self.having)


def is_native(optimizer: Optimizer, native: Any) -> bool:
    """Whether an optimizer keeps its state in columns, and its update may be a native call."""
    return (optimizer._tensors is None and isinstance(native, NativeUpdates)
            and optimizer.update.name in native.updates)


def begun(optimizer: Optimizer, recording: Any) -> tuple[list[GroupUpdate], list[Slot]]:
    """The updates of an optimizer's groups, and the arrays that go in; none where they cannot be replayed."""
    native = recording.native
    if not is_native(optimizer, native):
        return [], []
    update = native.updates[optimizer.update.name]
    groups, ins = [], list[Slot]()
    for n, group in enumerate(optimizer.param_groups):
        having = [i for i, p in enumerate(group["params"]) if p._grad is not None]
        if not having:
            continue
        slots = [recording.slot_of(array) for i in having
                 for array in (group["params"][i].array, group["params"][i].grad.array)]
        before = [(name, i, recording.external(value)) for name, column in optimizer._states[n].items()
                  for i, value in enumerate(column) if type(value) is recording.kind]
        if None in slots or any(slot.maker is not None for _, _, slot in before):
            return [], []
        ins += [*slots, *(slot for _, _, slot in before)]
        groups.append(GroupUpdate(optimizer, n, update, before, having))
    return groups, ins


def finished(groups: Sequence[GroupUpdate], recording: Any, unit: Unit) -> bool:
    """Note what the optimizer's own step has made; whether it was a native call for each group alone."""
    calls = [n for n, (call, _) in enumerate(unit.calls) if call.function == groups[0].update.function]
    if len(calls) != len(groups):
        return False
    for group, call in zip(groups, calls):
        group.call = call
        recording._end(unit, [group.params[i].array for i in group.having])
        if not group.finish(recording, unit):
            return False
    return unit.is_closed()
