"""What is there before a step: where parameters, buffers, gradients and optimizers' state are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.backends.native import NativeCalls
from cnnkit.capturing.units import Slot
from cnnkit.capturing.updating import GroupUpdate

__all__ = ["Sources", "State"]

Array = Any


class State:
    """An array that is there before the step, the Tensors that hold it, and whether they want gradients.

    With `grad` it is the array of their gradient, to which the step adds.
    """

    __slots__ = ("grad", "requires_grad", "slot", "tensors")
    grad: bool
    slot: Slot

    def __init__(self, slot: Slot, grad: bool = False):
        self.slot, self.grad = slot, grad
        self.tensors: list[Tensor] = []
        self.requires_grad: list[bool] = []


class Sources:
    """The arrays that a plan finds, and the bases where their addresses stand.

    Attributes
    ----------
    tensors : list of Tensor
        Those whose arrays the step may read.
    """

    tensors: list[Tensor]

    def __init__(self, native: NativeCalls, states: Sequence[State], groups: Sequence[GroupUpdate],
                 bases: Mapping[int, int]):
        self._native, self._groups = native, groups
        self._states = [(state.slot, bases[state.slot.region.number], state.tensors[0], state.tensors[1:])
                        for state in states if not state.grad]
        self._grads = [(state.slot, bases[state.slot.region.number], state.tensors[0])
                       for state in states if state.grad]
        self._columns = [(group, [(name, i, slot, bases[slot.region.number])
                                  for name, i, slot in group.before]) for group in groups]
        self.tensors = [tensor for _, _, first, others in self._states for tensor in (first, *others)]

    def find(self, bases: Any, found: dict[int, Array]) -> bool:
        """Set the bases, and enter the arrays by the number of their slot.

        ``False`` where one has another form than the recorded one.
        """
        for slot, base, tensor, others in self._states:
            array = tensor.array
            if not self._place(slot, base, array, bases, found) or any(o.array is not array for o in others):
                return False
        for slot, base, tensor in self._grads:
            if not self._place(slot, base, tensor.grad.array, bases, found):
                return False
        for group, columns in self._columns:
            state = group.optimizer._states[group.number]
            for name, i, slot, base in columns:
                if not self._place(slot, base, state[name][i], bases, found):
                    return False
        return True

    def _place(self, slot: Slot, base: int, array: Array, bases: Any, found: dict[int, Array]) -> bool:
        if (array.shape, array.dtype, array.strides) != slot.layout:
            return False
        address = self._native.address(array)
        if address % array.itemsize:  # what is not aligned is copied before it is used
            return False
        bases[base] = address - slot.offset
        found[slot.number] = array
        return True
