"""Figures of matplotlib, without its global state: each function returns a Figure, which notebooks show."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from cnnkit import nn
from cnnkit.inspection import show_feature_maps, show_filters
from cnnkit.inspection.picture import Gallery

__all__ = ["HasRows", "confusion", "feature_maps", "filters", "history"]

NAMED = 25  # the most classes whose names and counts are written
CURVES = (("loss", "val_loss"), ("accuracy", "val_accuracy"), ("lr", ""))


class HasRows(Protocol):
    """A training's history: `train.History`, or what has its rows."""

    def as_dicts(self) -> Sequence[Mapping[str, Any]]:
        """A mapping for each epoch: ``epoch``, ``loss``, ``val_loss``, ..."""


def history(*runs: HasRows, names: Sequence[str] = ()) -> Any:
    """The curves of loss, accuracy and learning rate; several runs over each other, held-out figures dashed.

    Parameters
    ----------
    *runs : History
    names : sequence of str, optional
        One for each run, for the legend.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no epoch to draw.
    """
    if names and len(names) != len(runs):
        raise ValueError(f"names has {len(names)} of {len(runs)} runs")
    tables = [run.as_dicts() for run in runs]
    drawn = [(learnt, held_out) for learnt, held_out in CURVES
             if any(row.get(learnt) is not None for rows in tables for row in rows)]
    if not drawn:
        raise ValueError("the history has no epochs to draw")
    figure = _figure(4 * len(drawn), 3)
    for axes, pair in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn):
        for n, rows in enumerate(tables):
            for figure_name, style, what in zip(pair, ("-", "--"), ("training", "held out")):
                points = [(row["epoch"], row[figure_name]) for row in rows
                          if figure_name and row.get(figure_name) is not None]
                label = f"{names[n]}: {what}" if names else what
                if points:
                    axes.plot(*zip(*points), style, color=f"C{n}", label=label,
                              marker="o" if len(points) == 1 else "")
        axes.set(xlabel="epoch", ylabel={"lr": "learning rate"}.get(pair[0], pair[0]))
        axes.xaxis.get_major_locator().set_params(integer=True)
        if pair[1]:
            axes.legend()
    return figure


def filters(model: nn.Module, layer: str | None = None, *, most: int = 64) -> Any:
    """A convolution's filters, each with its input channels side by side: grey is 0, white the largest.

    `model`, `layer`, `most` and errors are those of `inspection.show_filters`.
    """
    return _pictures(show_filters(model, layer, most=most))


def feature_maps(model: nn.Module, image: Any, layer: str | None = None, *, most: int = 64) -> Any:
    """What a layer makes of an image: one picture a channel, bright where the activation is strong.

    `model`, `image`, `layer`, `most` and errors are those of `inspection.show_feature_maps`.
    """
    return _pictures(show_feature_maps(model, image, layer, most=most))


def confusion(matrix: Iterable[Iterable[int]], classes: Sequence[str] | None = None) -> Any:
    """A confusion matrix: how many images of each class (rows) were taken for which (columns).

    Parameters
    ----------
    matrix : list of list of int
        Of `evaluation.metrics.confusion_matrix` or `ConfusionMatrix`.
    classes : sequence of str, optional
        Their names, in order.
    """
    rows = [list(row) for row in matrix]
    if not rows or any(len(row) != len(rows) for row in rows):
        raise ValueError(f"a confusion matrix is square; got rows of {[len(row) for row in rows]}")
    if classes is not None and len(classes) != len(rows):
        raise ValueError(f"classes has {len(classes)} names for {len(rows)} classes")
    count = len(rows)
    names = list(map(str, classes or range(count)))
    shares = [[value / max(sum(row), 1) for value in row] for row in rows]
    side = min(12.0, max(3.0, 1.5 + 0.45 * count))
    figure = _figure(side, side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if count <= NAMED:
        axes.set_xticks(range(count), names, rotation=45 if max(map(len, names)) > 2 else 0)
        axes.set_yticks(range(count), names)
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                if value:
                    axes.text(j, i, str(value), ha="center", va="center",
                              color="white" if shares[i][j] > 0.5 else "black")
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def _pictures(gallery: Gallery) -> Any:
    """A gallery's pictures in a grid."""
    count = len(gallery.pictures)
    columns = min(count, 8)
    rows = math.ceil(count / columns)
    first = gallery.pictures[0].levels
    figure = _figure(1.3 * columns, 0.5 + 1.3 * rows * max(len(first) / len(first[0]), 0.4))
    for n, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if n < count:
            axes.imshow(gallery.pictures[n].levels, cmap="gray", vmin=0, vmax=255)
            axes.set_title(gallery.pictures[n].caption, fontsize=7)
    figure.suptitle(gallery.title, fontsize=9)
    return figure


def _figure(width: float, height: float) -> Any:
    """An empty figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        module = importlib.import_module("matplotlib.figure")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise ImportError("figures need matplotlib, which is not installed: "
                          "pip install 'cnnkit[plots]'") from error
    return module.Figure(figsize=(width, height), layout="constrained")
