"""Optimizer updates that look at a parameter as a whole: the ground truth of `lars`, `lamb` and `muon`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["WHOLE"]

Matrix = list[list[float]]


def norm(x: np.ndarray) -> float:
    """The root of the sum of squares."""
    return math.sqrt(sum(float(value)**2 for value in x.ravel()))


def lars(p: np.ndarray, g: np.ndarray, memory: dict[Any, Any], *, lr: float, momentum: float,
         dampening: float,
         weight_decay: float, nesterov: bool, trust_coefficient: float, eps: float,
         maximize: bool) -> np.ndarray:
    """You, Gitman and Ginsburg 2017, algorithm 1; the rate is outside of the buffer, as in `sgd`."""
    size, slope = norm(p), norm(g)
    ratio = trust_coefficient * size / (slope + weight_decay * size + eps) if size and slope else 1.0
    g = ratio * ((-g if maximize else g) + weight_decay * p)
    if not momentum:
        return p - lr * g
    memory["b"] = b = momentum * memory["b"] + (1 - dampening) * g if memory else g
    return p - lr * (g + momentum * b if nesterov else b)


def lamb(p: np.ndarray, g: np.ndarray, memory: dict[Any, Any], *, lr: float, betas: tuple[float, float],
         eps: float,
         weight_decay: float, maximize: bool) -> np.ndarray:
    """You et al. 2020, algorithm 2."""
    g = -g if maximize else g
    memory["t"] = t = memory.get("t", 0) + 1
    memory["m"] = m = betas[0] * memory.get("m", 0.0) + (1 - betas[0]) * g
    memory["v"] = v = betas[1] * memory.get("v", 0.0) + (1 - betas[1]) * g * g
    step = m / (1 - betas[0]**t) / (np.sqrt(v / (1 - betas[1]**t)) + eps) + weight_decay * p
    size, length = norm(p), norm(step)
    return p - lr * (size / length if size and length else 1.0) * step


def muon(p: np.ndarray, g: np.ndarray, memory: dict[Any, Any], *, lr: float, weight_decay: float,
         momentum: float,
         nesterov: bool, ns_coefficients: tuple[float, float, float], eps: float, ns_steps: int,
         adjust_lr_fn: str | None) -> np.ndarray:
    """Jordan et al. 2024: the average of the gradient, made nearly orthogonal."""
    memory["b"] = b = momentum * memory.get("b", 0.0) + (1 - momentum) * g
    matrix = ((1 - momentum) * g + momentum * b if nesterov else b).tolist()
    rows, columns = p.shape
    if rows > columns:
        matrix = transposed(matrix)
    size = max(norm(np.asarray(matrix)), eps)
    matrix = [[value / size for value in row] for row in matrix]
    for _ in range(ns_steps):
        square = product(matrix, transposed(matrix))
        terms = zip(matrix, product(square, matrix), product(product(square, square), matrix))
        matrix = [[sum(c * value for c, value in zip(ns_coefficients, values)) for values in zip(*three)]
                  for three in terms]
    if rows > columns:
        matrix = transposed(matrix)
    scale = (0.2 * math.sqrt(max(rows, columns)) if adjust_lr_fn == "match_rms_adamw"
             else math.sqrt(max(1.0, rows / columns)))
    return p * (1 - lr * weight_decay) - lr * scale * np.asarray(matrix)


def transposed(a: Matrix) -> Matrix:
    """Columns as rows."""
    return [list(column) for column in zip(*a)]


def product(a: Matrix, b: Matrix) -> Matrix:
    """The matrix product, number by number."""
    return [[sum(x * y for x, y in zip(row, column)) for column in zip(*b)] for row in a]


WHOLE: dict[str, Callable[..., np.ndarray]] = {"lamb": lamb, "lars": lars, "muon": muon}
