"""Making a plan: a call is recorded, and what has changed by it is found by looking before and after."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.autograd.replaying import array_now, awaits_backward, kept_by_tape
from cnnkit.backends import Backend
from cnnkit.backends.native import NativeCalls
from cnnkit.capturing.dependencies import Dependencies
from cnnkit.capturing.plan import Plan
from cnnkit.capturing.recording import Recording
from cnnkit.capturing.results import mapped, tensors_in
from cnnkit.capturing.sources import State
from cnnkit.capturing.units import Slot
from cnnkit.nn import attributes

__all__ = ["recorded"]


def recorded(step: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], tensors: Sequence[Tensor],
             dependencies: Dependencies, backend: Backend, table: str,
             native: NativeCalls) -> tuple[Any, Plan | None, str]:
    """Call the step and record it: its result, and a plan or the reason why there is none."""
    recording = Recording(backend, type(tensors[0].array), table, native)
    arguments = [recording.external(tensor.array) for tensor in tensors]
    known = [tensor for tensor in dependencies.tensors
             if type(array_now(tensor)) is recording.kind]
    before = [(tensor.array, tensor.grad) for tensor in known]
    shared: dict[int, State] = {}
    for tensor in known:
        state = shared.setdefault(id(tensor.array), State(recording.external(tensor.array)))
        state.tensors.append(tensor)
        state.requires_grad.append(tensor._requires_grad)
        if tensor._hooks:
            recording.fail("a parameter has a hook")
        if state.slot in arguments:
            recording.fail("an argument is a parameter, a buffer or a Tensor that the step's code names, too")
    added = {}  # the gradients that are there before, to which the step may add
    for tensor in known:
        if tensor.grad is not None:
            state = State(recording.external(tensor.grad.array), grad=True)
            state.tensors.append(tensor)
            state.requires_grad.append(tensor.requires_grad)
            added[state.slot.number] = state
    if any(module._hooks for module in dependencies.modules):
        recording.fail("a module has hooks, which a replay would not call")
    settings, changes = native.settings(), attributes.changes[0]
    with recording.watching():
        result = step(*args, **kwargs)
        try:
            returned = tensors_in(result)
        except TypeError as error:
            recording.fail(str(error))
            returned = []
        for tensor in returned:
            tensor.array  # noqa: B018 - what is pending is computed
    if attributes.changes[0] != changes:
        recording.fail("an attribute of a module is set in it, which a replay would not do")
    if recording.reason:
        return result, None, recording.reason
    grads, buffers, unset = [], [], []
    for tensor, (array, grad) in zip(known, before):
        if tensor.grad is not grad:
            new = None if tensor.grad is None else recording.slot_of(tensor.grad.array)
            if new is None and tensor.grad is not None:
                recording.fail("a gradient is set to what no op has made")
            grads.append((tensor, new))
            if grad is None:
                unset.append(tensor)
        now = array_now(tensor)
        if now is not None and now is not array and not recording.acted_on(now):
            new = recording.slot_of(now)
            if new is None or new.maker is None:
                recording.fail("a parameter or a buffer is set to what no op has made")
            else:
                buffers.append((tensor, new))
    results = [slot for tensor in returned if (slot := _returned(tensor, recording)) is not None]
    carried = [slot for _, groups in recording.updates for group in groups for _, _, slot in group.after]
    kept = {slot.region.number for slot in (*results, *(s for _, s in grads), *(s for _, s in buffers),
                                            *carried) if slot is not None}
    history = {id(array) for tensor in returned for array in kept_by_tape(tensor)}
    _check_nothing_stays(recording, kept, history)
    if recording.reason:
        return result, None, recording.reason
    taken = {slot.number for unit in recording.units for slot in unit.ins if isinstance(slot, Slot)}
    states = [*shared.values(), *(state for number, state in added.items() if number in taken)]
    slots = iter(results)
    form = mapped(result, lambda tensor: next(slots))
    plan = Plan(recording, arguments, states, form, grads, buffers, results, unset, settings)
    return result, plan, ""


def _returned(tensor: Tensor, recording: Recording) -> Slot | None:
    slot = recording.slot_of(tensor.array)
    if slot is None or slot.maker is None:
        recording.fail("it returns a Tensor that no op of the step has made")
    elif awaits_backward(tensor):
        recording.fail("it returns a Tensor whose backward() is still to come; call that in the step, or "
                       "run the step under no_grad()")
    return slot


def _check_nothing_stays(recording: Recording, kept: set[int], history: set[int]) -> None:
    """Refuse a step that keeps an array elsewhere: a replay would not renew it.

    Results have a history, which nobody goes back through any more; `history`: what it keeps, by ``id``.
    """
    def staying() -> list[Slot]:
        return [slot for slot in recording.living(history) if slot.maker is not None
                and slot.region.number not in kept and slot.region.maker is not None]
    if staying():
        gc.collect()
    for slot in staying():
        assert slot.maker is not None
        recording.fail(f"the result of {slot.maker.label}, of shape {slot.layout[0]}, is kept after the step;"
                       " return it instead")
