"""A plan: one recorded step, ready to be replayed, and the replay itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import repeat
from operator import is_, setitem
from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.autograd.replaying import result_of
from cnnkit.autograd.updating import arrays_of, gradients_of, rebind
from cnnkit.backends import on
from cnnkit.backends.native import NativeCalls
from cnnkit.capturing.compiling import ARENA, Thunk, compiled
from cnnkit.capturing.fresh import Fresh, Supply
from cnnkit.capturing.outcome import Outcome
from cnnkit.capturing.recording import Recording, Unlike
from cnnkit.capturing.results import mapped
from cnnkit.capturing.sources import Sources, State
from cnnkit.capturing.units import Constant, Slot
from cnnkit.capturing.updating import GroupUpdate

__all__ = ["Plan"]

Array = Any


class Plan:
    """A recorded step.

    Parameters
    ----------
    recording : Recording
    arguments : list of Slot
        Those of the step's Tensors, in their order.
    states : list of State
    result : object
        What the step returns, with slots in place of Tensors.
    grads : list of (Tensor, Slot or None)
        The gradients that Tensors have afterwards.
    buffers : list of (Tensor, Slot)
        Tensors that have a new array afterwards.
    results : list of Slot
        Those of the result.
    unset : list of Tensor
        Tensors that had no gradient before the step, and have none before a replay.
    settings : object
        The native calls' settings.
    """

    def __init__(self, recording: Recording, arguments: list[Slot], states: list[State], result: Any,
                 grads: list[tuple[Tensor, Slot | None]], buffers: list[tuple[Tensor, Slot]],
                 results: list[Slot], unset: list[Tensor], settings: Any):
        self.native: NativeCalls = recording.native
        self.backend, self.as_arrays = recording.backend, recording.as_arrays
        self.result, self.grads, self.buffers = result, grads, buffers
        self.unset, self.settings = unset, settings
        self._wanting = [(tensor, requires_grad) for state in states if not state.grad
                         for tensor, requires_grad in zip(state.tensors, state.requires_grad)]
        self._adding = [tensor for state in states if state.grad for tensor in state.tensors]
        self.actions, self.effects = recording.actions, recording.effects
        self.groups = [group for _, groups in recording.updates for group in groups]
        self.key_count = len(recording.keys)
        carried = [*(slot for _, slot in grads if slot is not None), *(slot for _, slot in buffers),
                   *(slot for group in self.groups for _, _, slot in group.after)]
        self.kept: list[Slot] = list({slot.number: slot for slot in (*results, *carried)}.values())
        evaluates = not (carried or self.unset or self._adding or self.groups or recording.actions)
        self.steps, self.gone, layout, self.prepared = compiled(
            recording, self.kept, self.native, arguments if evaluates else None)
        # of each update of an optimizer's group: the list that makes its call, and its place there
        self._calls = [(group, self.steps[layout.calls[unit.number][0]],
                        layout.calls[unit.number][1] + group.call)
                       for unit, groups in recording.updates for group in groups]
        # the one list, where there is nothing else
        self._only: Any = None if len(self.steps) != 1 or isinstance(self.steps[0], Thunk) or (
            self.key_count) else self.steps[0]
        self.bases = self.native.bases(len(layout.bases) + 1)
        self.arena, self.bases[ARENA] = self.native.memory(layout.arena)
        self.lock = threading.Lock()
        base = layout.bases
        self.argument_numbers = [slot.number for slot in arguments]
        self.arguments = [(base[slot.region.number], slot.offset, slot.layout[1].itemsize)
                          for slot in arguments]
        self.sources = Sources(self.native, states, self.groups, base)
        # memory that native calls fill and the program keeps
        regions = {slot.region.number: slot.region for slot in self.kept}
        thunk_made = {slot.region.number for step in self.steps if isinstance(step, Thunk)
                      for slot in step.unit.outs
                      if slot is not None and slot.region.maker == step.unit.number}
        fresh = [(n, base[n], region.size) for n, region in regions.items()
                 if region.maker is not None and n not in thunk_made]
        # arrays in the arena that thunks take
        taken = {slot.number: slot for step in self.steps if isinstance(step, Thunk)
                 for slot in step.unit.ins if isinstance(slot, Slot)}
        self.taken = [slot for slot in taken.values() if slot.region.number in layout.offsets]
        self.in_arena = {slot.number: self.native.array(
            self.arena, layout.offsets[slot.region.number] + slot.offset, *slot.layout)
            for slot in self.taken}
        self.constants = {slot.number: array for slot, array in recording.constants}
        for slot, array in recording.constants:
            self.bases[base[slot.region.number]] = self.native.address(array) - slot.offset
            self.in_arena[slot.number] = array
        self.calls_python = any(isinstance(step, Thunk) for step in self.steps) or any(
            slot.region.maker is None for slot in self.kept)
        views = {slot.number: slot for slot in (*self.kept, *taken.values())}
        self._grads = [slot.number for _, slot in grads if slot is not None]
        self._granted = [tensor for tensor, slot in grads if slot is not None]
        self._ungranted = [tensor for tensor, slot in grads if slot is None]
        self._made, self._changed = [slot.number for _, slot in buffers], [tensor for tensor, _ in buffers]
        updated = {id(tensor) for group in self.groups for tensor in group.params}
        self._updated = [id(tensor) in updated for tensor in self._changed]  # whether by an optimizer
        self._parameters = [tensor for tensor in self._changed if id(tensor) in updated]
        self._buffers = [tensor for tensor in self._changed if id(tensor) not in updated]
        places = {id(tensor): n for n, tensor in enumerate(self.sources.tensors)}
        self._places = [places[id(tensor)] for tensor in self._changed]
        self._counting = any(group.counted for group in self.groups)
        self._numbers = [group.number for group in self.groups]
        self._unchanged = [n for n in range(len(places)) if n not in self._places]
        self.carried, self.returned = (
            Supply(self.native, [entry for entry in fresh if (entry[0] in numbers) is inside],
                   [slot for slot in views.values()
                    if (slot.region.number in numbers) is inside and slot.region.number in
                    {n for n, *_ in fresh}],
                   () if self.calls_python or not inside else (self._grads, self._made),
                   self._furnish if inside else None)
            for numbers in [{slot.region.number for slot in carried}] for inside in (True, False))
        self.layout = layout
        self.apart = {*(n for n, *_ in self.arguments), *(  # bases of what each replay makes or is given
            n for number, n in base.items() if recording.regions.all[number].maker is not None)}
        self.last: Fresh | None = None  # the set that was committed last
        self._same = False  # whether the program has all since, as `is_current` has seen it

    def _furnish(self, carried: Fresh) -> None:
        """Give a set what the program has once it is committed."""
        if carried.lists:
            carried.values = [None] * len(self.sources.tensors)
            for n, array in zip(self._places, carried.lists[1]):
                carried.values[n] = array
            carried.tensors = [result_of(array) for array in carried.lists[0]]
        carried.columns = carried.states = [group.state(carried.arrays) for group in self.groups]

    @property
    def thunks(self) -> list[str]:
        """The units that are called in Python at every replay."""
        return [step.unit.label for step in self.steps if isinstance(step, Thunk)]

    def is_current(self) -> bool:
        """Whether what the plan was made for is still so; asked before each `compute`."""
        if self.settings != self.native.settings():
            return False
        last = self.last
        same = last is not None and not self._adding
        for (tensor, requires_grad), array in zip(self._wanting, last.values if last else repeat(None)):
            if tensor._requires_grad is not requires_grad or tensor._hooks:
                return False
            if tensor._value is not array or tensor._link is not None:
                same = False
        for tensor in self.unset:
            if tensor._grad is not None:
                return False
        for tensor in self._adding:
            if tensor._grad is None:
                return False
        for (group, step, call), known in zip(self._calls, last.states if last else repeat(None)):
            state = group.optimizer._states[group.number]
            if state is not known:
                same = False
            if not group.fits() or not (state is known or group.is_like(state)):
                return False
            numbers = group.numbers()
            if numbers is None:
                return False
            for name, value in numbers.items():
                step.set_number(call, name, value)  # type: ignore[union-attr]
        self._same = same
        return True

    @property
    def only_makes_gradients(self) -> bool:
        """Whether it changes nothing but gradients, of which there were none, and buffers."""
        return self.prepared is None and not (self.groups or self._adding or self.actions)

    def find_sources(self) -> dict[int, Array] | None:
        """What is there before the step, by the numbers of its slots; its addresses are among the bases then.

        ``None`` where it has another form than the recorded one.
        """
        self._same, self.last = False, None
        found: dict[int, Array] = {}
        return found if self.sources.find(self.bases, found) else None

    def compute(self, arrays: Sequence[Array]) -> Outcome | None:
        """Replay all units on the arguments' arrays; ``None`` if these numbers want other kernels."""
        if self.backend.switches:
            with on(arrays[0]):
                return self._compute(arrays)
        return self._compute(arrays)

    def _compute(self, arrays: Sequence[Array]) -> Outcome | None:
        carried, returned, last = self.carried.take(), self.returned.take(), self.last
        found: dict[int, Array] = {}
        unmoved = self._same and carried.source is last
        if unmoved:
            bases = carried.table
        else:
            bases = self._bases_for(carried, found)
            if bases is None:
                return None
        native_address = self.native.address
        for (base, offset, itemsize), array in zip(self.arguments, arrays):
            address = native_address(array)
            if address % itemsize:  # an array that is not aligned is copied before it is used
                return None
            bases[base] = address - offset
        for base, address in returned.places:
            bases[base] = address
        if self.prepared is not None and not self.prepared.make(bases, unmoved):
            return None
        env = returned.arrays
        if self.calls_python:
            env = {**self.in_arena, **found, **carried.arrays, **env}
            env.update(zip(self.argument_numbers, arrays))
        drawn: list[Any] = []
        state = None
        if self.key_count:
            state = random.get_state()
            drawn = [random.next_key() for _ in range(self.key_count)]
        outcome = Outcome(env, carried, state, self._same and carried is last)
        self._same = False
        try:
            if self._only is None:
                self._run(bases, env, drawn)
            elif self._only.run(bases):
                raise Unlike
        except Unlike:
            self.undo(outcome)
            return None
        except BaseException:
            self.undo(outcome)
            raise
        return outcome

    def _bases_for(self, carried: Fresh, found: dict[int, Array]) -> Any:
        """The bases with all that is there before the step, and with memory for what it carries on."""
        last, bases = self.last, self.bases
        if not self._same:
            self.last = None
        if not self.sources.find(bases, found):
            return None
        for base, address in carried.places:
            bases[base] = address
        if self._same:
            bases = type(bases).from_buffer_copy(bases)
            carried.source, carried.table = last, bases
        return bases

    def _run(self, bases: Any, env: dict[int, Array], drawn: list[Any]) -> None:
        backwards: dict[int, Callable] = {}
        for step, gone in zip(self.steps, self.gone):
            if isinstance(step, Thunk):
                self.call(step, env, drawn, backwards, self.bases, 0)
            else:
                for number, key in enumerate(drawn):
                    step.set_key(number, key)
                if step.run(bases):
                    raise Unlike
            for number in gone:
                del env[number]

    def undo(self, outcome: Outcome) -> None:
        """Take back the draws of a replay that does not count."""
        if outcome.random_state is not None:
            random.set_state(outcome.random_state)

    def call(self, thunk: Thunk, env: dict[int, Array], drawn: Sequence, backwards: dict[int, Callable],
             bases: Any, first: int) -> None:
        """Call a unit in Python; the bases of what it makes are those from `first` on."""
        unit = thunk.unit
        arrays = [value.value if isinstance(value, Constant) else env[value.number] for value in unit.ins]
        if unit.forward is not None:
            outputs = backwards[unit.forward.number](*arrays)
            if unit is unit.forward.backwards[-1]:
                del backwards[unit.forward.number]  # and what it has kept
        else:
            outputs, backward = unit.run(arrays, None if unit.key is None else drawn[unit.key])
            if unit.backwards:
                backwards[unit.number] = backward
            if not isinstance(outputs, tuple):
                outputs = (outputs,)
        for slot, array in zip(unit.outs, self.as_arrays(tuple(outputs)), strict=True):
            if slot is not None:
                if array is None or (array.shape, array.dtype, array.strides) != slot.layout:
                    raise Unlike
                env[slot.number] = array
        for slot, base in thunk.made:
            bases[first + base] = self.native.address(env[slot.number]) - slot.offset

    def commit(self, outcome: Outcome) -> Any:
        """Let the program have what a replay has made: counters, buffers, gradients, the step's result.

        Parameters, buffers and the optimizers' state change at once, as in `Optimizer.step`.
        """
        made = self._grant(outcome)
        if self._changed:
            self._replace(outcome.carried, self._changed, made)
        self._note(outcome)
        result = self._result(outcome)
        outcome.arrays = {}  # an update writes parameters in place if nobody else holds them
        for action in self.actions:
            action()
        return result

    def commit_learning(self, outcome: Outcome) -> Any:
        """The same without the optimizers' updates, which `commit_updates` makes."""
        made = self._grant(outcome)
        rebind(self._buffers, map(setattr, self._buffers, repeat("_value"),
                                  [array for array, updated in zip(made, self._updated) if not updated]))
        outcome.found = self._found()
        return self._result(outcome)

    def commit_updates(self, outcome: Outcome) -> bool:
        """Make the updates that `commit_learning` has left; ``False``, and nothing is changed, where
        parameters, gradients, or the optimizers' state or settings are no longer what they were then.
        """
        found, made = self._found(), self._arrays_made(outcome)
        if outcome.found is None or len(found) != len(outcome.found) or not all(
                map(is_, found, outcome.found)) or any(
                group._read(group.group) != group._known or not group.fits() for group in self.groups):
            return False
        self._replace(outcome.carried, self._parameters,
                      [array for array, updated in zip(made, self._updated) if updated])
        self._note(outcome)
        return True

    def _found(self) -> list:
        """What the optimizers' updates are computed from, by identity."""
        found: list[Any] = []
        for group in self.groups:
            found += arrays_of(group.params)
            found += gradients_of(group.params)
            found.append(group.optimizer._states[group.number])
        return found

    def _arrays_made(self, outcome: Outcome) -> list[Array]:
        """The arrays of the Tensors that change, in their order."""
        lists = outcome.carried.lists
        return lists[1] if lists else [outcome.arrays[n] for n in self._made]

    def _grant(self, outcome: Outcome) -> list[Array]:
        """Counters and gradients; returns the arrays of the Tensors that change."""
        arrays, carried = outcome.arrays, outcome.carried
        grads = carried.lists[0] if carried.lists else [arrays[n] for n in self._grads]
        for effect in self.effects:
            effect()
        for tensor, array, grad in zip(self._granted, grads, carried.tensors or repeat(None)):
            # one whose array was changed does not count its old array's references, so its set is not free
            if grad is None or grad._link is not None or (
                    grad._alias is not None or grad._hooks or grad._requires_grad):
                grad = result_of(array)
            tensor._grad = grad
        for tensor in self._ungranted:
            tensor._grad = None
        return self._arrays_made(outcome)

    def _replace(self, carried: Fresh, tensors: list[Tensor], made: list[Array]) -> None:
        """Give Tensors their new arrays, and optimizers their new state, at once."""
        if self._counting:
            carried.states = [*map(GroupUpdate.count, self.groups, carried.columns)]
        rebind(tensors, map(setattr, tensors, repeat("_value"), made),
               map(setitem, [group.optimizer._states for group in self.groups], self._numbers,
                   carried.states))

    def _note(self, outcome: Outcome) -> None:
        """Remember what the program has now."""
        if not self.calls_python:
            carried = outcome.carried
            if not outcome.same:
                for n in self._unchanged:
                    carried.values[n] = self.sources.tensors[n]._value
            self.last = carried

    def _result(self, outcome: Outcome) -> Any:
        return (result_of(self.made(self.result, outcome)) if type(self.result) is Slot else
                mapped(self.result, lambda slot: result_of(self.made(slot, outcome))))

    def made(self, slot: Slot, outcome: Outcome) -> Array:
        """What a replay has made of a slot."""
        array = outcome.arrays.get(slot.number)
        return outcome.carried.arrays[slot.number] if array is None else array
