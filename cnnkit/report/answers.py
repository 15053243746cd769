"""Where a classifier is right and wrong: confusions with their images, confident mistakes, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnkit.evaluation.metrics import confusion_matrix, precision_recall_f1
from cnnkit.plot.pictures import embedded, thumbnail
from cnnkit.plot.svg import reliability

__all__ = ["Answers", "calibration", "confusions", "mistakes", "neighbours"]

BINS = 10  # of confidence
GALLERY, CELLS = 8, 40  # images behind a cell of the matrix, and cells that have some
MATRIX = 20  # the most classes whose matrix is shown
MISTAKES, QUERIES, NEAREST = 16, 6, 6


@dataclass(frozen=True)
class Answers:
    """What a model says of images: probabilities (N, classes), the true classes (N,), and features (N, F).

    `pictures` are the images as they are shown, each (H, W, 3).
    """

    probabilities: np.ndarray
    labels: np.ndarray
    features: np.ndarray
    pictures: Sequence[np.ndarray]
    classes: Sequence[str]

    @property
    def predicted(self) -> np.ndarray:
        """The most probable class of each image."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> np.ndarray:
        """Its probability."""
        return self.probabilities.max(1)

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float((self.predicted == self.labels).mean())


def confusions(answers: Answers) -> dict[str, Any]:
    """The matrix, a gallery for its most frequent mistakes, and precision, recall and F1 of each class."""
    names = answers.classes
    matrix = confusion_matrix(answers.labels.tolist(), answers.predicted.tolist(), len(names))
    figures = precision_recall_f1(matrix)
    wrong = sorted(((count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row)
                    if i != j and count), key=lambda cell: (-cell[0], *cell[1:]))
    cells = []
    for count, i, j in wrong[:CELLS]:
        members = np.flatnonzero((answers.labels == i) & (answers.predicted == j))
        members = members[np.argsort(-answers.confidence[members], kind="stable")]
        cells.append({"id": f"cell-{i}-{j}", "true": names[i], "predicted": names[j], "count": count,
                      "pictures": [_picture(answers, n) for n in members[:GALLERY]]})
    shown = {cell["id"] for cell in cells}
    small = len(names) <= MATRIX
    rows = [{"name": names[i], "cells": [
        {"count": count, "right": i == j, "share": count / max(sum(row), 1),
         "link": f"cell-{i}-{j}" if f"cell-{i}-{j}" in shown else ""}
        for j, count in enumerate(row) if small],
        "images": sum(row), "precision": figures[0][i], "recall": figures[1][i], "f1": figures[2][i]}
        for i, row in enumerate(matrix)]
    occurring = [row for row in rows if row["images"]]
    return {"rows": rows if small else [], "names": names, "cells": cells,
            "classes": rows if small else sorted(occurring, key=lambda row: row["f1"])[:MATRIX]}


def mistakes(answers: Answers) -> list[dict[str, Any]]:
    """The wrong answers that the model was the surest of."""
    wrong = np.flatnonzero(answers.predicted != answers.labels)
    wrong = wrong[np.argsort(-answers.confidence[wrong], kind="stable")]
    return [_picture(answers, n) for n in wrong[:MISTAKES]]


def calibration(answers: Answers) -> dict[str, Any]:
    """How honest the confidence is: a drawing, and the expected calibration error (Guo et al. 2017).

    The error is the mean distance between the confidence and the accuracy of ten bins of confidence, weighted
    by their answers.
    """
    confidence, right = answers.confidence, answers.predicted == answers.labels
    places = np.clip((confidence * BINS).astype(int), 0, BINS - 1)
    bins, error = [], 0.0
    for n in range(BINS):
        inside = places == n
        count = int(inside.sum())
        mean = float(confidence[inside].mean()) if count else 0.0
        accuracy = float(right[inside].mean()) if count else 0.0
        bins.append((mean, accuracy, count))
        error += count / len(confidence) * abs(mean - accuracy)
    return {"error": error, "drawing": reliability(bins), "mean": float(confidence.mean()),
            "accuracy": answers.accuracy}


def neighbours(answers: Answers) -> list[dict[str, Any]]:
    """For the surest mistakes, and a few right answers: the images whose features point the same way."""
    wrong = np.flatnonzero(answers.predicted != answers.labels)
    wrong = wrong[np.argsort(-answers.confidence[wrong], kind="stable")]
    right = np.flatnonzero(answers.predicted == answers.labels)
    queries = [*wrong[:QUERIES // 2], *right[:QUERIES - len(wrong[:QUERIES // 2])]]
    length = np.linalg.norm(answers.features, axis=1, keepdims=True)
    unit = answers.features / np.where(length > 0, length, 1)
    rows = []
    for query in queries:
        similarity = unit @ unit[query]
        similarity[query] = -2.0  # not itself
        nearest = np.argsort(-similarity, kind="stable")[:min(NEAREST, len(similarity) - 1)]
        others = [{**_picture(answers, n), "similarity": float(similarity[n])} for n in nearest]
        rows.append({"query": _picture(answers, query), "nearest": others})
    return rows


def _picture(answers: Answers, n: int) -> dict[str, Any]:
    return {"picture": embedded(thumbnail(answers.pictures[n], 96)), "index": int(n),
            "true": answers.classes[answers.labels[n]], "predicted": answers.classes[answers.predicted[n]],
            "right": bool(answers.labels[n] == answers.predicted[n]),
            "confidence": float(answers.confidence[n])}
