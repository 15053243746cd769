"""The line search of L-BFGS: how far to go in a direction, by the strong Wolfe conditions.

Nocedal and Wright, "Numerical optimization" (2006), algorithms 3.5 and 3.6, with cubic interpolation (eq
3.59): the loss must fall by a part `LESS` of what the slope promises, and the slope must become flatter by
`FLATTER`. The order of trials and their limits are PyTorch's, so that a run takes its steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Trial", "strong_wolfe"]

LESS, FLATTER = 1e-4, 0.9

class Trial(NamedTuple):
    """The loss at one step length: its value, the whole gradient, and the slope along the direction."""

    step: float
    loss: float
    slope: float
    gradient: Any


def strong_wolfe(evaluate: Callable[[float], Trial], start: Trial, step: float, longest: float,
                 tolerance: float, most: int) -> tuple[Trial, int]:
    """The trial that meets both conditions, or the best one, and how many were made.

    Parameters
    ----------
    evaluate : callable
        Makes the trial of a step length.
    start : Trial
        At step 0; its slope is negative.
    step : float
        The first step to try.
    longest : float
        The direction's largest component: a bracket that moves no parameter further than `tolerance` ends it.
    most : int
        How many trials there may be, beside the first.

    >>> def evaluate(step):
    ...     return Trial(step, (step - 3) ** 2, 2 * (step - 3), None)
    >>> trial, count = strong_wolfe(evaluate, evaluate(0.0), 1.0, 1.0, 1e-9, most=25)
    >>> trial.step, count
    (1.0, 1)
    """
    low, high, count = _bracketed(evaluate, start, step, most)
    if high is None:
        return low, count
    return _zoomed(evaluate, start, low, high, count, longest, tolerance, most)


def _bracketed(evaluate: Callable[[float], Trial], start: Trial, step: float,
               most: int) -> tuple[Trial, Trial | None, int]:
    """Two trials between which the conditions are met, or one that meets them; algorithm 3.5."""
    before, trial = start, evaluate(step)
    for count in range(most):
        if _too_high(trial, start) or (count > 1 and trial.loss >= before.loss):
            return before, trial, count + 1
        if _flat(trial, start):
            return trial, None, count + 1
        if trial.slope >= 0:
            return before, trial, count + 1
        limits = trial.step + 0.01 * (trial.step - before.step), trial.step * 10
        before, trial = trial, evaluate(_lowest(before, trial, limits))
    return start, trial, most + 1


def _zoomed(evaluate: Callable[[float], Trial], start: Trial, first: Trial, second: Trial, count: int,
            longest: float, tolerance: float, most: int) -> tuple[Trial, int]:
    """Narrow the bracket until a trial meets the conditions; algorithm 3.6."""
    bracket, stuck = [first, second], False
    low = 0 if first.loss <= second.loss else 1
    while count <= most:
        steps = sorted(trial.step for trial in bracket)
        if (steps[1] - steps[0]) * longest < tolerance:
            break
        step, stuck = _inside(_lowest(bracket[0], bracket[1], steps), steps, stuck)
        trial = evaluate(step)
        count += 1
        high = 1 - low
        if _too_high(trial, start) or trial.loss >= bracket[low].loss:
            bracket[high] = trial
            low = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        flat = _flat(trial, start)
        if not flat and trial.slope * (bracket[high].step - bracket[low].step) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = trial
        if flat:
            break
    return bracket[low], count


def _too_high(trial: Trial, start: Trial) -> bool:
    return trial.loss > start.loss + LESS * trial.step * start.slope


def _flat(trial: Trial, start: Trial) -> bool:
    return abs(trial.slope) <= -FLATTER * start.slope


def _inside(step: float, steps: list[float], stuck: bool) -> tuple[float, bool]:
    """A step that is not too near the bracket's ends twice in a row; and whether this one is."""
    left, right = steps
    margin = 0.1 * (right - left)
    if min(right - step, step - left) >= margin:
        return step, False
    if stuck or not left < step < right:
        return (right - margin if right - step < step - left else left + margin), False
    return step, True


def _lowest(first: Trial, second: Trial, limits: Any) -> float:
    """Where the cubic through both trials, with their slopes, is lowest, within limits."""
    left, right = (first, second) if first.step <= second.step else (second, first)
    width = right.step - left.step
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.step - right.step)
    square = d1 * d1 - left.slope * right.slope
    if not square >= 0:
        return (limits[0] + limits[1]) / 2
    d2 = math.sqrt(square)
    step = right.step - width * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(step, limits[0]), limits[1])
