"""LBFGS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cnnkit.autograd import Tensor, enable_grad, no_grad
from cnnkit.autograd.functions import cat
from cnnkit.optim.line_search import Trial, strong_wolfe
from cnnkit.optim.optimizer import Optimizer
from cnnkit.optim.settings import need_all

__all__ = ["LBFGS"]

CURVED = 1e-10  # the least product of a step and its gradient's change that says something of the curvature


class LBFGS(Optimizer):
    """L-BFGS: Newton's steps, with a curvature that the last gradients' changes tell.

    For small problems without noise, such as fitting an image or a style: a step calls the closure several
    times, on the same data. All parameters are one group.

    Parameters
    ----------
    params : iterable of Tensor
        Parameters, in one group.
    lr : float
        Factor of each step, or with a line search the first length that it tries.
    max_iter : int
        How many directions a step takes.
    max_eval : int, optional
        How often it may call the closure; by default a quarter more than `max_iter`.
    tolerance_grad, tolerance_change : float
        A step ends where no gradient is larger, or where no parameter, or the loss, changes more.
    history_size : int
        How many changes are kept.
    line_search_fn : {"strong_wolfe"}, optional
        How far to go is searched for; by default each step has the length `lr`.

    Raises
    ------
    ValueError
        If there are several groups, or `lr` is negative.

    References
    ----------
    Nocedal and Wright, "Numerical optimization", 2006, algorithm 7.4.

    Examples
    --------
    >>> import cnnkit
    >>> p = cnnkit.tensor([-1.0, 2.0], requires_grad=True)
    >>> optimizer = LBFGS([p], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2  # Rosenbrock's valley
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     loss = optimizer.step(closure)
    >>> [round(value, 2) for value in p.tolist()]
    [1.0, 1.0]
    """

    def __init__(self, params: Iterable[Any], lr: float = 1, max_iter: int = 20, max_eval: int | None = None,
                 tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9, history_size: int = 100,
                 line_search_fn: str | None = None):
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported as line_search_fn; got {line_search_fn!r}")
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def check(self, settings: Any) -> None:
        need_all(settings, "lr")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to `max_iter` directions.

        Parameters
        ----------
        closure : callable
            Computes the loss and its gradients anew.

        Returns
        -------
        Tensor
            The loss before the step.
        """
        if closure is None:
            raise TypeError("LBFGS.step() needs a closure, which computes the loss and its gradients anew: "
                            "step(closure)")
        group = self.param_groups[0]
        state = self.state[group["params"][0]]
        with no_grad():
            before, trial = self._evaluate(closure)
            state["func_evals"] = state.get("func_evals", 0) + 1
            if _largest(trial.gradient) > group["tolerance_grad"]:
                self._go(closure, group, state, trial)
        return before

    def _go(self, closure: Callable, group: dict[str, Any], state: dict[str, Any], here: Trial) -> None:
        """Direction after direction, from where the loss is known."""
        evaluations = 1
        for count in range(1, group["max_iter"] + 1):
            state["n_iter"] = state.get("n_iter", 0) + 1
            direction = self._direction(state, here.gradient, group["history_size"])
            first = state["n_iter"] == 1
            length = (min(1.0, 1.0 / float(here.gradient.abs().sum())) if first else 1.0) * float(group["lr"])
            before, slope = here, float(here.gradient.dot(direction))
            state.update(d=direction, t=length, prev_flat_grad=before.gradient, prev_loss=before.loss)
            if slope > -group["tolerance_change"]:
                break
            last = count == group["max_iter"]
            if group["line_search_fn"]:
                start = here._replace(step=0.0, slope=slope)
                here, calls = self._search(closure, direction, start, length,
                                           group["max_eval"] - evaluations)
                state["t"] = length = here.step
            else:
                self._move(direction, length)
                calls = 0 if last else 1
                here = here if last else self._evaluate(closure)[1]
            evaluations += calls
            state["func_evals"] += calls
            if (last or evaluations >= group["max_eval"]
                    or _largest(here.gradient) <= group["tolerance_grad"]
                    or _largest(direction) * abs(length) <= group["tolerance_change"]
                    or abs(here.loss - before.loss) < group["tolerance_change"]):
                break

    def _direction(self, state: dict[str, Any], gradient: Tensor, most: int) -> Tensor:
        """Minus the gradient, divided by the curvature that the history tells: two loops over it."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -gradient
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        change, step = gradient - state["prev_flat_grad"], state["d"] * float(state["t"])
        product = float(change.dot(step))
        if product > CURVED:
            if len(changes) == most:
                for kept in (changes, steps, inverses):
                    kept.pop(0)
            changes.append(change)
            steps.append(step)
            inverses.append(1.0 / product)
            state["H_diag"] = product / float(change.dot(change))
        direction, factors = -gradient, []
        for change, step, inverse in reversed(list(zip(changes, steps, inverses))):
            factors.append(float(step.dot(direction)) * float(inverse))
            direction = direction - factors[-1] * change
        direction = direction * float(state["H_diag"])
        for change, step, inverse, factor in zip(changes, steps, inverses, reversed(factors)):
            direction = direction + (factor - float(change.dot(direction)) * float(inverse)) * step
        return direction

    def _search(self, closure: Callable, direction: Tensor, start: Trial, length: float,
                most: int) -> tuple[Trial, int]:
        """Go as far as the line search says."""
        group = self.param_groups[0]
        begin = [p.detach().clone() for p in group["params"]]

        def return_to_begin() -> None:
            for p, old in zip(group["params"], begin):
                p.copy_(old)

        def evaluate(step: float) -> Trial:
            self._move(direction, step)
            trial = self._evaluate(closure)[1]
            return_to_begin()
            return trial._replace(step=step, slope=float(trial.gradient.dot(direction)))

        found, calls = strong_wolfe(evaluate, start, length, _largest(direction),
                                    group["tolerance_change"], most)
        self._move(direction, found.step)
        return found, calls

    def _evaluate(self, closure: Callable) -> tuple[Any, Trial]:
        """What the closure returns, and the loss and all gradients in a row."""
        with enable_grad():
            loss = closure()
        rows = [(p.new_zeros(p.shape) if p.grad is None else p.grad).reshape(-1)
                for p in self.param_groups[0]["params"]]
        return loss, Trial(0.0, float(loss), 0.0, cat(rows))

    def _move(self, direction: Tensor, length: float) -> None:
        """Add a part of the direction to the parameters."""
        start = 0
        for p in self.param_groups[0]["params"]:
            part = direction[start:start + p.numel()]
            p.add_(part.reshape(p.shape), alpha=length)
            start += p.numel()


def _largest(values: Tensor) -> float:
    return float(values.abs().max())
