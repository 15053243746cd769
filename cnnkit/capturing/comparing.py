"""Whether a replay gives what the step's own call gives: looked at once, before a plan is trusted."""

from __future__ import annotations

from typing import Any

from cnnkit.backends import backend_of
from cnnkit.capturing.outcome import Outcome
from cnnkit.capturing.plan import Plan
from cnnkit.capturing.results import mapped, tensors_in
from cnnkit.capturing.units import Slot

__all__ = ["difference"]


def difference(plan: Plan, outcome: Outcome, result: Any) -> str:
    """In what a replay differs from the step's own call that came after it; nothing where it does not."""
    returned = zip(tensors_in(plan.result), tensors_in(result))
    pairs = [(f"what it returns ({n})", plan.made(slot, outcome), tensor.array)
             for n, (slot, tensor) in enumerate(returned)]
    if mapped(plan.result, type) != mapped(result, lambda tensor: Slot):
        return "what it returns differs between two calls in something that is no argument"
    for tensor, slot in plan.grads:
        if (slot is None) is not (tensor.grad is None):
            return "it sets gradients in one call and not in another"
        if slot is not None:
            pairs.append((f"a gradient of shape {tensor.shape}", plan.made(slot, outcome),
                          tensor.grad.array))
    pairs += [(f"a parameter or buffer of shape {tensor.shape}", plan.made(slot, outcome),
               tensor.array) for tensor, slot in plan.buffers]
    pairs += [(f"an optimizer's {name!r}", plan.made(slot, outcome), state[name][i])
              for group in plan.groups for state in [group.optimizer._states[group.number]]
              for name, i, slot in group.after]
    for name, ours, theirs in pairs:
        first, second = (backend_of(array).to_numpy(array) for array in (ours, theirs))
        if first.dtype != second.dtype or first.shape != second.shape or (
                first.tobytes() != second.tobytes()):
            return f"{name} differs between two calls in something that is no argument"
    return ""
