"""`compare`: both sides make the same steps of training, and all that they compute is laid side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.comparing.causes import cause_of
from cnnkit.comparing.comparison import Comparison, Difference
from cnnkit.comparing.distance import DIGITS, Distance, distance, host, limit, ulp
from cnnkit.comparing.side import Side, Step
from cnnkit.comparing.tracing import Name, Served, input_name
from cnnkit.evaluation.contracts import AnyLoss, Data
from cnnkit.evaluation.evaluate import batches
from cnnkit.evaluation.intake import Intake
from cnnkit.evaluation.weighting import cross_entropy
from cnnkit.foreign import whole
from cnnkit.inspection.explanation import KernelCall

__all__ = ["Findings", "call_facts", "compare", "made_batches"]


def compare(first: str | nn.Module, second: str | nn.Module, model: nn.Module | None = None,
            data: Data | None = None, *, steps: int = 3, batch_size: int = 32,
            loss: AnyLoss | None = None, optimizer: str = "sgd", lr: float = 0.01, ulps: float | None = None,
            training: bool = True, dtype: str | None = None, seed: int = 0) -> Comparison:
    """Train on two backends in lock-step, or two models on one, and find the first number where they part.

    Each step begins from the first side's weights on both sides, with the same batch and the same random
    draws; outputs, gradients and updated weights are compared in the order in which they are computed. What
    is too far apart is computed anew in float64 from each kernel's own inputs, which shows whose it is.

    Parameters
    ----------
    first, second : str, or Module
        Backends or kernel tables (``"numpy"``, ``"cpu"``, ``"emulator"``, ``"cupy"``, ``"torch"``); or two
        models of the same layers, such as two checkpoints, which keep their own weights.
    model : Module, optional
        What runs on two backends; it is not changed.
    data : DataLoader, dataset, or (images, labels)
        As `cnnkit.train.fit` takes them.
    steps : int
        Batches to learn from.
    loss : callable, optional
        Cross-entropy by default.
    optimizer, lr
        As those of `fit`; Adam divides by numbers near 0, and so makes much of little.
    ulps : float, optional
        How many units in the last place are no difference: 0 finds the first bit that differs. By default so
        many as roundings of sums may make (1024; 8 in 16 bits), and beyond these only what a kernel is to
        blame for.
    training : bool
        Whether the model is in training mode.
    dtype : str, optional
        Convert the model first: ``"float16"``, ``"bfloat16"`` or ``"float64"``.
    seed : int
        Of the data's order and of random draws.

    Returns
    -------
    Comparison
        ``parted`` is the first difference, with the likely cause; it prints as text.

    Raises
    ------
    ValueError
        If there is no such backend, no model, or the two models have no layer in common.

    >>> from cnnkit import models
    >>> from cnnkit.data import datasets
    >>> result = compare("numpy", "numpy", models.CommonCNN((1, 8, 8)), datasets.digits(train=True), steps=1)
    >>> result.agree, max(row.most for row in result.rows)
    (True, 0.0)
    """
    steps, batch_size = whole("steps", steps), whole("batch_size", batch_size)
    if ulps is not None and not ulps >= 0:
        raise ValueError(f"ulps must be a number from 0 on; got {ulps}")
    sides = _sides(first, second, model, dtype, optimizer, lr)
    if data is None:
        raise ValueError("compare needs data to make steps with: a dataset, a DataLoader or (images, labels)")
    for side in sides:
        side.model.train(training)
    found = Findings((sides[0].name, sides[1].name), ulps)
    own_weights = isinstance(first, nn.Module)
    found.weights(sides)
    done = 0
    for x, y in made_batches(sides[0], data, loss, batch_size, steps, seed):
        made = [side.step(x, y, loss or cross_entropy, seed + done) for side in sides]
        done += 1
        found.step(done, made[0], made[1])
        found.update(done, sides, made)
        if not own_weights:
            sides[1].follow(sides[0])
    if not done:
        raise ValueError("the data hold no batch: there is nothing to compare")
    if not found.common:
        raise ValueError(f"{sides[0].name} and {sides[1].name} have no layer in common; compare() takes two "
                         "models of the same layers")
    return Comparison(type(sides[0].model).__name__, found.sides, done, found.compared, ulps, found.parted,
                      tuple(found.explained), tuple(found.rows.values()))


def _sides(first: Any, second: Any, model: nn.Module | None, dtype: str | None, optimizer: str,
           lr: float) -> tuple[Side, Side]:
    if isinstance(first, nn.Module) and isinstance(second, nn.Module):
        if model is not None:
            raise ValueError("compare(first, second) of two models takes no third one")
        return (Side("first", None, first, dtype, optimizer, lr), Side("second", None, second, dtype,
                                                                       optimizer, lr))
    if not (isinstance(first, str) and isinstance(second, str)):
        raise TypeError("compare takes two names of backends and a model, or two models; got "
                        f"{type(first).__name__} and {type(second).__name__}")
    if model is None:
        raise ValueError(f"compare({first!r}, {second!r}) needs the model that is to run there")
    names = (first, second) if first != second else (f"{first} (1)", f"{second} (2)")
    return (Side(names[0], first, model, dtype, optimizer, lr),
            Side(names[1], second, model, dtype, optimizer, lr))


def made_batches(side: Side, data: Data, loss: AnyLoss | None, batch_size: int, steps: int,
                 seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches on the first side's device, over and over until there are enough."""
    with side.entered():
        intake = Intake(side.model, loss, learn=True)
        loader = batches(data, batch_size, shuffle=True, seed=seed, intake=intake)
        done, before = 0, -1
        while done < steps and done != before:
            before = done
            for batch in loader:
                x, y, *_ = intake.read(batch)
                yield x, y
                done += 1
                if done == steps:
                    break


class Findings:
    """All that was compared, and the first place where the sides part."""

    sides: tuple[str, str]
    ulps: float | None

    def __init__(self, sides: tuple[str, str], ulps: float | None):
        self.sides, self.ulps = sides, ulps
        self.parted: Difference | None = None
        self.explained: list[Difference] = []
        self.rows: dict[tuple[str, str], Difference] = {}
        self.compared: int = 0
        self.common: bool = False

    def step(self, number: int, a: Step, b: Step) -> None:
        """Compare two sides' traces of a step: outputs forward, then gradients back."""
        others = {name: served for served in b.trace for name in served.outputs}
        for served in a.trace:
            for name, array in served.outputs.items():
                if name in others:
                    self._call(number, name, (served, others[name]), (array, others[name].outputs[name]))
        others = {name: served for served in b.back for name in served.gradients}
        for served in a.back:
            for name, array in served.gradients.items():
                if name in others:
                    self._call(number, name, (served, others[name]), (array, others[name].gradients[name]))

    def weights(self, sides: tuple[Side, Side]) -> None:
        """Compare parameters and buffers before the first step."""
        theirs = dict(sides[1].state())
        for name, tensor in sides[0].state():
            found = self._distance(tensor, theirs[name]) if name in theirs else None
            if found is not None:
                sentence = "the two models have other weights to begin with" if found.beyond else ""
                self.note(Difference(**vars(found), step=0, layer=name, what="value", dtype=tensor.dtype,
                                     cause="weights" if found.beyond else "", explanation=sentence), True)

    def update(self, number: int, sides: tuple[Side, Side], steps: Sequence[Step]) -> None:
        """Compare what the optimizers have added to the parameters."""
        truths: list[dict[str, Any]] = []
        for name, array in steps[0].after.items():
            if name not in steps[1].after:
                continue
            (after, dtype), (before, _) = host(array), host(steps[0].before[name])
            others = host(steps[1].after[name])[0], host(steps[1].before[name])[0]
            if dtype not in DIGITS or after.shape != others[0].shape or not after.size:
                continue
            self.compared += 1
            rounding = 2 * float(ulp(np.max(np.abs(before)), dtype))  # of the sum: no difference
            allowed = limit(dtype) if self.ulps is None else self.ulps
            added, theirs = after - before, others[0] - others[1]
            theirs = np.where(np.abs(added - theirs) <= rounding, added, theirs)
            found = distance(added, theirs, dtype, allowed)
            assert found is not None
            kind, sentence, blamed = "", "", False
            if found.beyond:
                truths = truths or [side.updated(step) for side, step in zip(sides, steps)]
                kind, sentence, blamed = "inputs", "the gradients differ already", False
                for side, (new, old), truth in zip(sides, ((after, before), others), truths):
                    error = distance(new - old, truth[name] - old, dtype, limit(dtype), rounding)
                    if error is not None and error.beyond:
                        kind, blamed = "wrong kernel", True
                        sentence = (f"the update of {side.name} is wrong: it adds {error.values[0]:.9g} at "
                                    f"{error.element}, where float64 adds {error.values[1]:.9g}")
            self.note(Difference(**vars(found), step=number, layer=name, what="update", dtype=dtype,
                                 cause=kind, explanation=sentence), blamed)

    def _call(self, step: int, name: Name, pair: tuple[Served, Served], arrays: tuple[Any, Any]) -> None:
        if any(array is None for array in arrays):
            return
        self.common = self.common or bool(name.call[0])  # the loss belongs to no layer
        found = self._distance(*arrays)
        if found is None:
            return
        (first, what), (second, _) = (call_facts(name, served) for served in pair)
        rows, layer = (first, second), max(first.layer, second.layer, key=len)
        cause = cause_of(name, pair, self.sides, found) if found.beyond else None
        difference = Difference(
            **vars(found), step=step, layer=layer, what=what, dtype=pair[0].row.dtype,
            kernels=(f"{rows[0].table}: {rows[0].kernel}", f"{rows[1].table}: {rows[1].kernel}"),
            cause=cause.kind if cause else "", explanation=cause.explanation if cause else "")
        self.note(difference, cause is not None and cause.blamed)

    def _distance(self, a: Any, b: Any) -> Distance | None:
        (first, dtype), (second, other) = host(a), host(b)
        if dtype not in DIGITS or other != dtype or first.shape != second.shape:
            return None
        self.compared += 1
        return distance(first, second, dtype, limit(dtype) if self.ulps is None else self.ulps)

    def note(self, difference: Difference, blamed: bool) -> None:
        key = difference.layer, difference.what
        if key not in self.rows or self.rows[key].most < difference.most:
            self.rows[key] = difference
        if not difference.beyond:
            return
        if blamed or self.ulps is not None:
            self.parted = self.parted or difference
        else:
            self.explained.append(difference)


def call_facts(name: Name, served: Served) -> tuple[KernelCall, str]:
    """What `explain` says of the call that made an array, and what the array is."""
    row = served.back if name.gradient and served.back else served.row
    op = next(call.op for call, call_name in zip(served.calls, served.names) if call_name == name.call)
    return row, (f"gradient of {input_name(op, name.position)}" if name.gradient else
                 "output" if not name.position else f"output {name.position}")
