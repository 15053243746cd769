"""`Ahead`: learning from a batch, captured, with the optimizer's step that follows it computed in one go.

A training loop looks at losses and gradients between backward and the optimizer's step, and that step is the
one thing that must be made whole or not at all. So a replay computes both, and gives the program the first
part alone; the loop's `update` sets the new parameters and state, if nothing that they were computed from has
changed meanwhile, and else makes the optimizer's own step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from operator import is_, setitem
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.autograd.tape import mode
from cnnkit.autograd.updating import arrays_of, rebind
from cnnkit.capturing.captured import Captured
from cnnkit.capturing.outcome import Outcome
from cnnkit.capturing.plan import Plan
from cnnkit.capturing.updating import is_native
from cnnkit.optim import Optimizer

__all__ = ["Ahead"]


class Ahead(Captured):
    """A captured `learn`, whose gradients `update` gives to the optimizer.

    Parameters
    ----------
    learn : callable
        Forward, loss and backward. Gradients are what it changes of the optimizer's parameters.
    optimizer : Optimizer
    uses, warn, most
        As `capture` takes them.

    >>> import cnnkit
    >>> from cnnkit import nn, optim
    >>> model = nn.Linear(3, 2)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> def learn(x, y):
    ...     optimizer.zero_grad()
    ...     loss = nn.functional.cross_entropy(model(x), y)
    ...     loss.backward()
    ...     return loss
    >>> step = Ahead(learn, optimizer)
    >>> for _ in range(5):
    ...     loss = step(cnnkit.ones(4, 3), cnnkit.tensor([0, 1, 0, 1]))
    ...     step.update()
    """

    def __init__(self, learn: Callable[..., Any], optimizer: Optimizer, uses: Sequence[Any] = (),
                 warn: bool = True, most: int | None = None):
        self.optimizer = optimizer
        self.updates = 0  # that a replay had computed
        # whether the optimizer's step is none that a replay could compute, and whether it is recorded now
        self._alone = "step" in vars(optimizer) or type(optimizer).step is not Optimizer.step
        self._steps = False
        self._computed: tuple[Plan, Outcome] | None = None
        super().__init__(learn, [*uses, optimizer], warn, most)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._computed = None
        return super().__call__(*args, **kwargs)

    def update(self) -> None:
        """The optimizer's step."""
        computed, self._computed = self._computed, None
        if computed is not None and computed[0].commit_updates(computed[1]):
            self.updates += 1
        else:
            self.optimizer.step()

    def _commit(self, plan: Plan, outcome: Outcome) -> Any:
        if not plan.groups:
            return plan.commit(outcome)
        result = plan.commit_learning(outcome)
        self._computed = plan, outcome
        return result

    def _recorded(self, *args: Any, **kwargs: Any) -> Any:
        if mode.recorder is not None and not is_native(self.optimizer, mode.recorder.native):
            self._alone, self._steps = True, False
        result = self.step(*args, **kwargs)
        if self._steps:
            self.optimizer.step()
        return result

    def _first_calls(self, form: Any, tensors: list[Tensor], args: Sequence, kwargs: dict) -> Any:
        """The same, without the optimizer's step that was made to record it, or to compare."""
        optimizer = self.optimizer
        self._steps = not self._alone if form.plan is None else bool(form.plan.groups)
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        arrays, states = arrays_of(parameters), [*optimizer._states]
        try:
            return super()._first_calls(form, tensors, args, kwargs)
        finally:
            if not all(map(is_, arrays_of(parameters), arrays)):
                rebind(parameters, map(setattr, parameters, repeat("_value"), arrays),
                       map(setitem, repeat(optimizer._states), range(len(states)), states))
            if form.plan is not None and form.plan.actions:  # the step was more than native calls
                form.plan, self._alone = None, True
