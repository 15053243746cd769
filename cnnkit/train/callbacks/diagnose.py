"""Diagnose: looks into a network as it learns, at the first update of each epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnkit.autograd import Tensor
from cnnkit.backends import namespace_of
from cnnkit.ops.dtypes import wide_mean, widen
from cnnkit.ops.vector_norm import scaled_norm
from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.diagnosis import Probe, diagnose
from cnnkit.train.parameters import parameters
from cnnkit.train.replay import replay
from cnnkit.train.schema import FLAG, NUMBER, TEXT, WHOLE, check, list_of, optional, record

if TYPE_CHECKING:
    from cnnkit.nn import Module
    from cnnkit.train.run import Run

__all__ = ["Diagnose"]

LAYER = record(layer=TEXT, kind=TEXT, mean=NUMBER, std=NUMBER, input_std=NUMBER, gradient=optional(NUMBER),
               alike=FLAG, dead=optional(NUMBER))


class Diagnose(Callback):
    """Measure each layer's gradient norm, output statistics and dead units; say at the end what is wrong.

    It changes nothing: the images of the update go through the model once more. ``fit(diagnose=True)`` adds
    this callback; the result is ``history.diagnosis``.

    Attributes
    ----------
    probes : list of dict
        For each epoch, the number of updates before it and a row of figures for each layer.

    >>> from cnnkit import models, random, train
    >>> from cnnkit.data import datasets
    >>> random.seed(0)
    >>> history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), epochs=2,
    ...                     progress=False, diagnose=True)
    >>> print(history.diagnosis)
    nothing wrong was found
    """

    def __init__(self) -> None:
        self.probes: list[Probe] = []

    def on_train_start(self, run: Run) -> None:
        if run.resumed_from is None:
            self.probes = []

    def on_before_optimizer_step(self, run: Run) -> None:
        if run.batch == 0:
            if self.probes and self.probes[-1]["step"] == run.step:  # an error ended it, and it is made again
                self.probes.pop()
            self.probes.append({"step": run.step, "layers": _layers(run)})

    def on_train_end(self, run: Run) -> None:
        run.history.diagnosis = diagnose(self.probes, run.history)
        run.reporter.note(f"Diagnosis: {run.history.diagnosis}")

    def state_dict(self) -> dict[str, Any]:
        return {"probes": self.probes}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check(state, record(probes=list_of(record(step=WHOLE, layers=list_of(LAYER)))), "state")
        self.probes = list(state["probes"])


def _layers(run: Run) -> list[dict[str, Any]]:
    """A row of figures for each layer, in the order of the forward pass."""
    rows: dict[str, dict[str, Any]] = {}
    trained = {id(parameter) for parameter in parameters(run.optimizer)}  # others keep gradients of all steps

    def measure(name: str, layer: Module, inputs: tuple, output: Any) -> None:
        if name in rows or not isinstance(output, Tensor) or "float" not in str(output.dtype):
            return
        kind, weight = type(layer).__name__, dict(layer.named_parameters(recurse=False)).get("weight")
        if weight is not None and weight.ndim <= 1:
            weight = None  # of a normalisation
        rows[name] = {
            "layer": name, "kind": kind, "mean": _mean(output.array), "std": _std(output.array),
            "input_std": _std(inputs[0].array) if inputs and isinstance(inputs[0], Tensor) else 1.0,
            "gradient": (None if weight is None or weight.grad is None or id(weight) not in trained
                         else _norm(weight.grad.array)),
            "alike": weight is not None and weight.shape[0] > 1 and _alike(weight.array),
            "dead": _dead(output.array) if kind == "ReLU" and output.ndim > 1 else None}

    replay(run.model, [run.inputs[0][0]], measure)
    return list(rows.values())


def _number(value: Any) -> float:
    return float(Tensor(value).item())


def _mean(array: Any) -> float:
    return _number(wide_mean(array))


def _std(array: Any) -> float:
    return _number(namespace_of(array).std(widen(array)))


def _norm(array: Any) -> float:
    return _number(scaled_norm([array]).value)


def _alike(weight: Any) -> bool:
    """Whether all filters have the same weights."""
    xp = namespace_of(weight)
    return bool(_number(xp.astype(xp.all(weight == weight[:1, ...]), weight.dtype)))


def _dead(output: Any) -> float:
    """The share of units, axis 1, that are 0 everywhere in the batch."""
    xp = namespace_of(output)
    axes = tuple(axis for axis in range(output.ndim) if axis != 1)
    return _mean(xp.astype(xp.all(output == 0, axis=axes), output.dtype))
