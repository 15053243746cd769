"""`capture`: a function whose calls are recorded once for each form of their arguments, and then replayed."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from cnnkit import random
from cnnkit.autograd import Tensor
from cnnkit.autograd.tape import mode
from cnnkit.backends import Backend, backend_of, precision_level
from cnnkit.backends.native import NativeCalls
from cnnkit.backends.state import Watch, choice, precision
from cnnkit.capturing.comparing import difference
from cnnkit.capturing.dependencies import PLAIN, Dependencies, exact
from cnnkit.capturing.making import recorded
from cnnkit.capturing.outcome import Outcome
from cnnkit.capturing.plan import Plan
from cnnkit.capturing.side_by_side import Arrived, SideBySide
from cnnkit.nn import attributes

__all__ = ["CaptureWarning", "Captured", "capture"]

RECORDINGS = 3  # of one form of arguments, before it is given up
FORMS = 16  # that are kept: each has memory of its own


class CaptureWarning(UserWarning):
    """A step is run as ever, because it cannot be captured."""


def capture(step: Callable[..., Any], *, uses: Any = (), warn: bool = True,
            most: int | None = None) -> Captured:
    """A function that does what `step` does, to the same bits, with almost no Python.

    Its first call is the step's own, the second is recorded, the third is made both ways and compared; from
    then on calls are replayed. Arguments of other shapes, dtypes or strides, other values of arguments that
    are no Tensors, and other settings of modules have recordings of their own.

    Parameters
    ----------
    step : callable
        A training step that ends with ``optimizer.step()``, one without it, or a model in evaluation mode.
        Its arguments are Tensors and Python's plain values; its result is Tensors, plain values, or tuples,
        lists or dicts of them. Results have no history: ``backward()`` belongs into the step.
    uses : module, optimizer, Tensor, or list of them, optional
        What the step uses where its code does not show it: neither its closure, nor the globals that it
        names, nor their attributes lead there.
    warn : bool
        Warn, once, where a step cannot be captured: with the reason and the line.
    most : int, optional
        Leave a step alone that works in more than so many bytes: a recording has memory of its own.

    Returns
    -------
    Captured

    Examples
    --------
    >>> import cnnkit
    >>> from cnnkit import nn, optim
    >>> model = nn.Linear(3, 2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> def step(x, y):
    ...     optimizer.zero_grad()
    ...     loss = nn.functional.cross_entropy(model(x), y)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> fast_step = capture(step)
    >>> x, y = cnnkit.ones(4, 3), cnnkit.tensor([0, 1, 0, 1])
    >>> losses = [fast_step(x, y).item() for _ in range(5)]
    >>> losses == sorted(losses, reverse=True)
    True
    """
    return Captured(step, uses, warn, most)


class _Form:
    """One form of arguments: how far its recording is."""

    __slots__ = ("calls", "parts", "plan", "reason", "trusted")

    def __init__(self) -> None:
        self.calls, self.reason, self.trusted = 0, "", False
        self.plan: Plan | None = None
        self.parts: SideBySide | None = None


class _Latest:
    """The form of arguments that was replayed last, each another array, which the next call's often have.

    Its key need not be made then: `arrays` compares, and gives ``None`` where it cannot tell.
    """

    __slots__ = ("_count", "_layouts", "_situation", "key", "plan")

    def __init__(self, plan: Plan, key: tuple, situation: tuple, arrays: Sequence):
        self.plan, self.key, self._situation, self._count = plan, key, situation, len(arrays)
        self._layouts = [(type(a), a.shape, a.dtype, getattr(a, "strides", None)) for a in arrays]

    def arrays(self, args: Sequence, settings: int, dependencies: Dependencies) -> list[Any] | None:
        """The arguments' arrays, if they are Tensors of these forms, each another one, and nothing of what
        holds for the thread, and of what the step depends on, is different.
        """
        number, grad, evaluated, chosen, level, numbers = self._situation
        if (len(args) != self._count or number != settings or mode.grad is not grad
                or mode.evaluated is not evaluated or (choice.thread.value or choice.process) is not chosen
                or (precision.thread.value or precision.process) != level
                or (dependencies.places and dependencies.numbers() != numbers)):
            return None
        arrays = []
        for value, (kind, shape, dtype, strides) in zip(args, self._layouts):
            if type(value) is not Tensor or value._link is not None or value._requires_grad:
                return None
            array = value._value
            if (type(array) is not kind or array.shape != shape or array.dtype is not dtype
                    or (strides is not None and array.strides != strides)):
                return None
            arrays.append(array)
        alone = arrays[0] is not arrays[-1] if self._count == 2 else len({*map(id, arrays)}) == self._count
        return arrays if alone else None


class Captured:
    """What `capture` returns: call it as the step.

    Attributes
    ----------
    step : callable
        The step itself.
    replays : int
        How many calls were replayed.
    """

    replays: int
    step: Callable[..., Any]

    def __init__(self, step: Callable[..., Any], uses: Any, warn: bool, most: int | None = None):
        if not callable(step):
            raise TypeError(f"capture needs a function or a module; got {type(step).__name__}")
        functools.update_wrapper(self, step, updated=())
        self.step, self.replays = step, 0
        self._uses, self._warn, self._most = uses, warn, most
        self._forms: dict[Any, _Form] = {}
        self._settings: dict[Any, int] = {}  # settings of modules -> a number for them
        self._numbers = itertools.count()
        self._changes = -1
        self._latest: _Latest | None = None
        self._renew()

    @property
    def plans(self) -> list[Plan]:
        """The recordings that are replayed."""
        return [form.plan for form in self._forms.values() if form.plan is not None and form.trusted]

    @property
    def reasons(self) -> list[str]:
        """Why calls are not replayed: one for each form of arguments that cannot be."""
        return [form.reason for form in self._forms.values() if form.reason]

    def __repr__(self) -> str:
        name = getattr(self.step, "__name__", type(self.step).__name__)
        return (f"<captured {name}: {len(self.plans)} recorded, {self.replays} replayed, "
                f"{len(self.reasons)} that cannot be>")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if mode.recorder is not None or mode.inside:  # a part of something larger
            return self.step(*args, **kwargs)
        if self._changes != attributes.changes[0]:
            self._renew()
        latest, arrays = self._latest, None
        if latest is not None and not kwargs:
            arrays = latest.arrays(args, self._number, self._dependencies)
        if arrays is None:
            situation = (self._number, mode.grad, mode.evaluated, choice.get(), precision_level(),
                         self._dependencies.numbers())
            tensors, key = self._key(situation, args, kwargs)
            form = self._forms.get(key)
            if form is None:
                form = self._new_form(key)
            if form.plan is None or not form.trusted:
                return self._first_calls(form, tensors, args, kwargs)
            arrays = [tensor.array for tensor in tensors]
            latest = _Latest(form.plan, key, situation, arrays)
            self._latest = latest if len({*map(id, arrays)}) == len(arrays) else None
        assert latest is not None
        plan = latest.plan
        if not plan.lock.acquire(False):  # another thread is in it
            return self.step(*args, **kwargs)
        try:
            if plan.is_current():
                outcome = plan.compute(arrays)
                if outcome is not None:
                    self.replays += 1
                    return self._commit(plan, outcome)
            else:
                self._forms.pop(latest.key, None)
                self._latest = None
        finally:
            plan.lock.release()
        return self.step(*args, **kwargs)

    def together(self, calls: Sequence[Sequence[Any]], keys: Sequence[random.Key],
                 arrived: Arrived | None = None) -> list[Callable[[], Any]] | None:
        """Compute several calls at once, none of which sees what another changes.

        Parameters
        ----------
        calls : sequence of sequence
            Each one's arguments.
        keys : sequence of random.Key
            From whose stream each one draws its random numbers.
        arrived : callable, optional
            ``arrived(tensor, gradients)`` is told of the arrays of a Tensor's gradients, one of each call,
            while others are still computed; also where the calls cannot be computed together in the end.

        Returns
        -------
        list of callable or None
            Each lets the program have what a call has made, and returns its result, as the call would have.
            ``None`` where they cannot be computed together; then nothing of the program has changed.
        """
        if mode.recorder is not None or mode.inside:
            return None
        if self._changes != attributes.changes[0]:
            self._renew()
        situation = (self._number, mode.grad, mode.evaluated, choice.get(), precision_level(),
                     self._dependencies.numbers())
        of_calls, forms = zip(*(self._key(situation, args, {}) for args in calls))
        form = self._forms.get(forms[0])
        if form is None or form.plan is None or not form.trusted or any(f != forms[0] for f in forms):
            return None
        plan = form.plan
        if not plan.lock.acquire(False):
            return None
        try:
            if not plan.is_current():
                return None
            drawn = []
            for key in keys:
                with random.stream(key):
                    drawn.append([random.next_key() for _ in range(plan.key_count)])
            if form.parts is None or form.parts.plan is not plan:
                form.parts = SideBySide(plan)
            outcomes = form.parts.compute([[t.array for t in tensors] for tensors in of_calls], drawn,
                                          arrived)
        finally:
            plan.lock.release()
        if outcomes is None:
            return None
        self.replays += len(calls)
        return [functools.partial(plan.commit, outcome) for outcome in outcomes]

    def _recorded(self, *args: Any, **kwargs: Any) -> Any:
        """What a plan repeats."""
        return self.step(*args, **kwargs)

    def _commit(self, plan: Plan, outcome: Outcome) -> Any:
        """Let the program have what a replay has made."""
        return plan.commit(outcome)

    def _new_form(self, key: Any) -> _Form:
        """Begin another form of arguments; the oldest is forgotten where there are many."""
        self._latest = None
        if len(self._forms) >= FORMS:
            if self._warn and not self.replays and not self.reasons:
                warnings.warn(f"{self!r}: no two of {FORMS} calls were alike in shapes, plain arguments and "
                              "the plain values that the code names, so none is replayed", CaptureWarning,
                              stacklevel=3)
                self._warn = False
            self._forms.pop(next(iter(self._forms)))
        form = self._forms[key] = _Form()
        return form

    def _renew(self) -> None:
        """Look anew at what the step depends on: a module's attribute has changed."""
        self._changes = attributes.changes[0]
        self._dependencies = Dependencies(self.step, self._uses)
        settings = self._dependencies.settings()
        if settings not in self._settings:
            if len(self._settings) >= FORMS:
                self._settings.clear()
            self._settings[settings] = next(self._numbers)
        self._number = self._settings[settings]

    @staticmethod
    def _key(situation: tuple, args: Sequence, kwargs: dict[str, Any]) -> tuple[list[Tensor], tuple]:
        """The Tensors among the arguments, and what a recording holds for."""
        tensors: list[Tensor] = []
        forms: list[Any] = [*situation]
        seen: dict[int, int] = {}
        for value in (*args, *kwargs.values()) if kwargs else args:
            if isinstance(value, Tensor):
                array = value.array
                forms += (type(array), array.shape, array.dtype, getattr(array, "strides", None),
                          value._requires_grad, seen.setdefault(id(array), len(seen)))
                tensors.append(value)
            elif isinstance(value, PLAIN):
                forms.append(exact(value))
            else:
                forms.append(type(value))
        if kwargs:
            forms += kwargs
        return tensors, tuple(forms)

    def _first_calls(self, form: _Form, tensors: list[Tensor], args: Sequence, kwargs: dict) -> Any:
        """The calls before a plan can be trusted: the step's own, a recorded one, and one made both ways."""
        if form.reason or isinstance(choice.get().tables, Watch):  # who watches kernels wants to see them
            return self.step(*args, **kwargs)
        form.calls += 1
        if form.calls == 1:
            return self.step(*args, **kwargs)
        if form.plan is None:
            form.reason = self._unfit(tensors, args, kwargs)
            if not form.reason:
                self._renew()  # the first call may have made what it keeps
                backend, table, native = _native_of(tensors)
                if native is None:
                    form.reason = f"no kernel table that serves {backend} here can be replayed"
                elif self._most is not None and native.held() > self._most:
                    form.reason = "it works in so much memory that Python's time does not count"
                else:
                    native.release()
                    result, form.plan, form.reason = recorded(self._recorded, args, kwargs, tensors,
                                                              self._dependencies, backend, table, native)
                    self._say(form)
                    return result
            self._say(form)
            return self.step(*args, **kwargs)
        plan, outcome = form.plan, None
        with plan.lock:
            if plan.is_current():
                outcome = plan.compute([tensor.array for tensor in tensors])
                if outcome is not None:
                    plan.undo(outcome)
                    outcome.arrays = {slot.number: plan.made(slot, outcome) for slot in plan.kept}
        result = self._recorded(*args, **kwargs)
        if outcome is None:
            form.plan = None
            if form.calls > 2 * RECORDINGS:
                form.reason = "the numbers decide which kernels serve, at every call"
        else:
            form.reason = difference(plan, outcome, result)
            form.trusted = not form.reason
            if form.reason:
                form.plan = None
            plan.native.release()  # what the steps' own kernels have used lies idle from now on
        self._say(form)
        return result

    def _say(self, form: _Form) -> None:
        if form.reason and self._warn:
            name = getattr(self.step, "__qualname__", type(self.step).__name__)
            warnings.warn(f"{name} runs as ever, because it cannot be captured: {form.reason}",
                          CaptureWarning, stacklevel=4)

    @staticmethod
    def _unfit(tensors: Sequence[Tensor], args: Sequence, kwargs: dict) -> str:
        """Why a call with such arguments is not recorded."""
        for value in (*args, *kwargs.values()):
            if not isinstance(value, (Tensor, *PLAIN)):
                return f"an argument is a {type(value).__name__}; it takes Tensors and plain values"
        if not tensors:
            return "no argument is a Tensor"
        if any(tensor._requires_grad for tensor in tensors):
            return "an argument requires a gradient"
        if len({backend_of(tensor.array) for tensor in tensors}) > 1:
            return "its arguments belong to several backends"
        return ""


def _native_of(tensors: Sequence[Tensor]) -> tuple[Backend, str, NativeCalls | None]:
    backend = backend_of(tensors[0].array)
    for table in backend.serving():
        if table.native is not None:
            return backend, table.name, table.native()
    return backend, "", None
