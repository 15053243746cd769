"""Traces: what the kernels of a step got and made, under names that are the same on every backend.

Backends fuse differently, so arrays are named by the calls of the model's code: module, op, and how many
calls of this op the module has made before. The output of a chain has the name of its last op's; the
gradients of a chain's inputs have those of the ops that take them.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cnnkit import nn
from cnnkit.autograd import deferral
from cnnkit.backends import Backend
from cnnkit.inspection.explanation import KernelCall
from cnnkit.inspection.watching import Recorder
from cnnkit.ops.core import Call

__all__ = ["CallName", "Name", "Served", "Tracer", "input_name"]

CallName = tuple[str, str, int]  # module, op, number


@dataclass(frozen=True)
class Name:
    """An array's name: the op's call, whether it is a gradient, and which output or input it is (of)."""

    call: CallName
    gradient: bool
    position: int


@dataclass(eq=False)
class Served:
    """One kernel's call, forward and back, with its arrays.

    Attributes
    ----------
    row, back : KernelCall
        What `explain` says of it; `back` is ``None`` as long as there was no way back.
    names : list of CallName
        One for each op.
    """

    row: KernelCall
    names: list[CallName]
    calls: list[Call]
    arrays: Sequence[Any]
    needs: Sequence[bool]
    outputs: dict[Name, Any]
    back: KernelCall | None = None
    dys: Sequence[Any] = ()
    gradients: dict[Name, Any] = field(default_factory=dict)


def input_name(op: Any, position: int) -> str:
    """What an op calls its input.

    >>> from cnnkit.ops import OPS
    >>> input_name(OPS["conv"], 1)
    'weight'
    """
    names = [name for name, parameter in inspect.signature(op.generic).parameters.items()
             if parameter.kind is not parameter.KEYWORD_ONLY and name != "xp"]
    return names[position] if position < len(names) and not names[position].startswith("array") else (
        f"input {position}")


class Tracer(Recorder):
    """Keeps the arrays of each kernel's call.

    Attributes
    ----------
    trace : list of Served
        The calls in the order in which they ran.
    back : list of Served
        Those of them that were gone through on the way back, in that order.
    """

    def __init__(self, model: nn.Module, backend: Backend):
        super().__init__(model)
        self.trace: list[Served] = []
        self.back: list[Served] = []
        self._backend = backend
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._postponed: dict[deferral.Link, CallName] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        with self.noting(self._backend), super().watching():
            yield
        self._postponed.clear()

    def postponed(self, link: deferral.Link) -> None:
        if link not in self._postponed:
            self._postponed[link] = self._new_name(self.layer, link.op.name)

    def served(self, row: KernelCall, calls: Sequence[Any], arrays: Sequence[Any], needs: Sequence[bool],
               outputs: Any) -> Served:
        names = ([self._postponed[call] for call in calls] if isinstance(calls[0], deferral.Link)
                 else [self._name_of(calls[0], arrays)])
        kept = [Call(call.op, call.attrs, call.count) for call in calls]
        flat = outputs if isinstance(outputs, tuple) else (outputs,)
        if len(kept) == 1:
            named = {Name(names[0], False, n): array for n, array in enumerate(flat)}
        else:
            named, extra = {Name(names[-1], False, 0): flat[0]}, list(flat[1:])
            for name, call in zip(names, kept):
                for n in range(call.op.differentiable, call.op.outputs):
                    named[Name(name, False, n)] = extra.pop(0)
        served = Served(row, names, kept, arrays, needs, named)
        self.trace.append(served)
        return served

    def went_back(self, row: KernelCall, forward: Served, dys: Sequence[Any], dxs: Sequence[Any]) -> None:
        forward.back, forward.dys = row, dys
        rest = list(dxs)
        for n, (name, call) in enumerate(zip(forward.names, forward.calls)):
            first = 0 if n == 0 else 1  # its first input is the result of the op before
            for position in range(first, first + call.count):
                forward.gradients[Name(name, True, position)] = rest.pop(0)
        self.back.append(forward)

    def _new_name(self, layer: str, op: str) -> CallName:
        self._numbers[layer, op] += 1
        return layer, op, self._numbers[layer, op]

    def _name_of(self, call: Call, arrays: Sequence) -> CallName:
        """The name of an op that runs by itself: it may have waited, and then has got its name already."""
        for link, name in self._postponed.items():
            if (link.op is call.op and link.status != deferral.COMPUTED
                    and (link.previous is None or link.previous.status == deferral.COMPUTED)):
                waiting = link.all_arguments()[0]
                if len(waiting) == len(arrays) and all(a is b for a, b in zip(waiting, arrays)):
                    return name
        layer = self.layer
        return self._new_name(layer, call.op.name)


