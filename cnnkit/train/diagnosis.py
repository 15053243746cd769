"""Diagnosis: what a run's gradients, activations and figures say is wrong, and the guide's remedy for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from cnnkit.train.history import History

__all__ = ["Diagnosis", "Finding", "Probe", "diagnose"]

Probe = dict[str, Any]  # what `callbacks.Diagnose` measured at the beginning of an epoch

VANISHING = 1e-3  # a layer's gradient norm, as a part of the largest of the layers after it
DEAD = 0.4  # share of a ReLU layer's units that are 0 for every image of a batch
# standard deviation of a layer's output before training, over its input's; SMALL also over the images'
LARGE, SMALL = 10.0, 1e-3
GAP = 0.1  # training accuracy minus held-out accuracy
RISE = 1.1  # held-out loss over its lowest


@dataclass(frozen=True)
class Finding:
    """A problem, what shows it, and what helps."""

    name: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name}: {self.evidence}. {self.remedy}."


@dataclass
class Diagnosis:
    """The result of `fit(diagnose=True)`: `layers`, a row of figures for each at the end; and `findings`.

    >>> print(Diagnosis())
    nothing wrong was found
    """

    layers: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings)) or "nothing wrong was found"

    def table(self) -> str:
        """The layers' figures in columns: gradient norm, mean and deviation of the output, dead units."""
        rows: list[tuple[str, ...]] = [("layer", "gradient norm", "mean", "deviation", "dead units")]
        rows += [(f"{row['layer']} ({row['kind']})", *("" if row.get(name) is None else f"{row[name]:.3g}"
                                                       for name in ("gradient", "mean", "std", "dead")))
                 for row in self.layers]
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                         for row in rows)


def diagnose(probes: Sequence[Probe], history: History) -> Diagnosis:
    """Find the problems that the measurements show."""
    if not probes:
        return Diagnosis()
    findings = [_initialisation(probes[0]), _vanishing(probes), _dead(probes[-1]), _overfitting(history)]
    return Diagnosis(probes[-1]["layers"], [finding for finding in findings if finding is not None])


def _initialisation(first: Probe) -> Finding | None:
    if first["step"] != 0:
        return None
    for row in first["layers"]:
        if row["gradient"] is None:
            continue
        layer, images_std = f"{row['layer']} ({row['kind']})", first["layers"][0]["input_std"]
        output = f"before training the output of {layer} has a standard deviation of {row['std']:.3g}"
        if row["alike"]:
            evidence = f"all filters of {layer} begin with the same weights, so they learn the same"
        elif row["std"] > LARGE * max(row["input_std"], 1.0):
            evidence = f"{output}: its weights are too large"
        elif row["std"] < SMALL * row["input_std"]:
            evidence = f"{output}, its input of {row['input_std']:.3g}: its weights are too small"
        elif row["std"] < SMALL * images_std:
            evidence = (f"{output}, the images one of {images_std:.3g}: "
                        "the weights of the layers up to there are too small")
        else:
            continue
        return Finding("bad initialisation", evidence,
                       "Begin with small random weights that fit the layer's inputs "
                       "(nn.init.kaiming_uniform_), as the layers of cnnkit.nn do by themselves")
    return None


def _vanishing(probes: Sequence[Probe]) -> Finding | None:
    names = [row["layer"] for row in probes[-1]["layers"] if row["gradient"] is not None]
    norms = [median(row["gradient"] for probe in probes for row in probe["layers"] if row["layer"] == name)
             for name in names]
    weak = [(name, norm, max(norms[n + 1:])) for n, (name, norm) in enumerate(zip(names[:-1], norms))
            if norm < VANISHING * max(norms[n + 1:])]
    if not weak:
        return None
    name, norm, later = weak[0]
    saturating = sorted({row["kind"] for row in probes[-1]["layers"] if row["kind"] in ("Sigmoid", "Tanh")})
    causes = f"{' and '.join(saturating)} cause{'s' if len(saturating) == 1 else ''} them"
    remedy = (f"Use ReLU, the default for CNNs, which avoids vanishing gradients; {causes}"
              if saturating else ("Use ReLU, the default for CNNs, which avoids vanishing gradients, "
                                  "and begin with nn.init.kaiming_uniform_"))
    more = f", and {len(weak) - 1} more are as weak" if len(weak) > 1 else ""
    return Finding("vanishing gradients", f"the gradient of {name} has a norm of {norm:.2g}, "
                   f"that of a layer after it one of {later:.2g}{more}", remedy)


def _dead(last: Probe) -> Finding | None:
    rows = [row for row in last["layers"] if (row.get("dead") or 0) > DEAD]
    if not rows:
        return None
    shares = ", ".join(f"{row['dead']:.0%} of {row['layer']}" for row in rows)
    return Finding("dead units", f"these ReLU units are 0 for every image of a batch: {shares}",
                   "Use leaky ReLU, for when neurons die in ReLU (nn.LeakyReLU), or a lower learning rate")


def _overfitting(history: History) -> Finding | None:
    rows = [row for row in history if row.val_loss is not None]
    if not rows:
        return None
    last, lowest = rows[-1], min(row.val_loss for row in rows if row.val_loss is not None)
    remedy = ("Use data augmentation (rotation, flipping, cropping), "
              "dropout and L2 regularisation (weight_decay), or more images")
    if (last.accuracy is not None and last.val_accuracy is not None
            and last.accuracy - last.val_accuracy > GAP):
        return Finding("overfitting", f"accuracy is {last.accuracy:.4f} on the training images, "
                       f"{last.val_accuracy:.4f} on held-out ones", remedy)
    assert last.val_loss is not None
    if (last.val_loss > RISE * lowest and last.loss < last.val_loss
            and last.loss <= min(row.loss for row in rows[:-1] or rows)):
        return Finding("overfitting", f"the held-out loss has risen from {lowest:.4f} to "
                       f"{last.val_loss:.4f} while the training loss fell to {last.loss:.4f}", remedy)
    return None
