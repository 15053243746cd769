"""Elementwise arithmetic, reductions, matrix product and shape changes by loops: the ground truth.

Every op here is a pair of functions, for the values and for the gradients; `elementwise` makes both from
formulas on two numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnkit.conformance.reference import dual
from cnnkit.conformance.reference.formula import Formula

__all__ = ["ARITHMETIC", "FORMULAS"]

Array = np.ndarray
Reference = tuple[Callable[..., Any], Callable[..., Any] | None]


def source(index: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of the element of an array of `shape` that broadcasting puts at `index`."""
    trailing = index[len(index) - len(shape):]
    return tuple(0 if n == 1 else i for i, n in zip(trailing, shape))


def elementwise(value: Callable[..., Any], *slopes: Callable[..., float] | None) -> Reference:
    """A function of numbers, element by element, with broadcasting; `slopes` are its partial derivatives."""
    def forward(*arrays: Any, **attrs: Any) -> Array:
        shapes = [np.shape(a) for a in arrays]
        y = np.zeros(np.broadcast_shapes(*shapes),
                     dtype=np.asarray(value(*(1.0 for _ in arrays), **attrs)).dtype)
        for index in np.ndindex(y.shape):
            y[index] = value(*(np.asarray(a)[source(index, s)] for a, s in zip(arrays, shapes)), **attrs)
        return y

    def gradients(dy: Array, *arrays: Any, **attrs: Any) -> tuple:
        shapes = [np.shape(a) for a in arrays]
        dxs = [np.zeros(s) if slope else None for slope, s in zip(slopes, shapes)]
        for index in np.ndindex(dy.shape):
            values = [np.asarray(a)[source(index, s)] for a, s in zip(arrays, shapes)]
            for dx, slope, s in zip(dxs, slopes, shapes):
                if dx is not None and slope is not None:
                    dx[source(index, s)] += dy[index] * slope(*values, **attrs)
        return tuple(dxs)
    return forward, gradients if slopes else None


FORMULAS = {
    "abs": Formula(abs, tolerance="exact"),
    "clip": Formula(
        lambda x, min, max: min if min is not None and x < min else max if max is not None and x > max else x,
        ({"min": -0.5, "max": 0.5}, {"min": 0.0, "max": None}, {"min": None, "max": 0.25}), "exact"),
    "clone": Formula(lambda x: x, tolerance="exact"),
    "exp": Formula(dual.exp, without=("large",)),  # e^1000 is infinite, and NumPy warns
    "log": Formula(dual.log, domain=(0, math.inf)),
    "neg": Formula(lambda x: -x, tolerance="exact"),
    "sqrt": Formula(dual.sqrt, domain=(0, math.inf)),
}


# -- reductions ----------------------------------------------------------------------------------------------

def collected(x: Array, axis: Any, keepdims: bool) -> tuple[tuple[int, ...],
              dict[tuple[Any, ...], list[tuple[Any, ...]]]]:
    """The result's shape, and for each position in it the positions of x that are reduced to it."""
    axes = range(x.ndim) if axis is None else [a % x.ndim
                                               for a in (axis if isinstance(axis, tuple) else (axis,))]
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes)
    groups: dict[tuple, list[tuple]] = {index: [] for index in np.ndindex(shape)}
    for index in np.ndindex(x.shape):
        reduced = tuple(0 if i in axes else n for i, n in enumerate(index) if keepdims or i not in axes)
        groups[reduced].append(index)
    return shape, groups


def reduction(value: Callable[[list[Any]], Any],
              shares: Callable[[list[Any]], list[Any]] | None) -> Reference:
    """A function of a list of numbers, and what part of dy each number gets."""
    def forward(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
        shape, groups = collected(x, axis, keepdims)
        return np.asarray([value([x[i] for i in inside]) for inside in groups.values()]).reshape(shape)

    def gradients(dy: Array, x: Array, *, axis: Any = None, keepdims: bool = False) -> tuple:
        dx = np.zeros(x.shape)
        for index, inside in collected(x, axis, keepdims)[1].items():
            for i, part in zip(inside, shares([x[i] for i in inside])):  # type: ignore[misc]
                dx[i] += dy[index] * part
        return (dx,)
    return forward, gradients if shares else None


def top_shares(values: list[Any]) -> list[Any]:
    """Equal maxima share equally."""
    tops = [v == max(values) for v in values]
    return [t / sum(tops) for t in tops]


def along(values: Callable[[list[Any]], list[Any]],
          slope: Callable[[list[Any], int, int], float]) -> Reference:
    """A function of a line of numbers along an axis; ``slope(line, i, k)`` is result i's by number k."""
    def forward(x: Array, *, axis: int) -> Array:
        return np.apply_along_axis(lambda line: values(line.tolist()), axis, x)

    def gradients(dy: Array, x: Array, *, axis: int) -> tuple:
        dx, lines, dlines = np.zeros(x.shape), np.moveaxis(x, axis, -1), np.moveaxis(dy, axis, -1)
        for index in np.ndindex(lines.shape):
            line = lines[index[:-1]].tolist()
            parts = [d * slope(line, i, index[-1]) for i, d in enumerate(dlines[index[:-1]])]
            np.moveaxis(dx, axis, -1)[index] = sum(parts)
        return (dx,)
    return forward, gradients


# -- matrix product ------------------------------------------------------------------------------------------

def matmul_terms(x: Array, y: Array) -> list[tuple[Any, ...]]:
    """(position in z, position in x, position in y) of every product."""
    xs, ys = (1, *x.shape) if x.ndim == 1 else x.shape, (*y.shape, 1) if y.ndim == 1 else y.shape
    batch = np.broadcast_shapes(xs[:-2], ys[:-2])
    terms = []
    for *b, i, j, k in np.ndindex(*batch, xs[-2], ys[-1], xs[-1]):
        x_index, y_index = (*source(tuple(b), xs[:-2]), i, k), (*source(tuple(b), ys[:-2]), k, j)
        z_index = (*b, *((i,) if x.ndim > 1 else ()), *((j,) if y.ndim > 1 else ()))
        terms.append((z_index, x_index[-x.ndim:], y_index[:-1] if y.ndim == 1 else y_index))
    return terms


def matmul(x: Array, y: Array) -> Array:
    """Z[i, j] = the sum over k of X[i, k] Y[k, j]."""
    xs, ys = x.shape[:-2], y.shape[:-2]
    z = np.zeros((*np.broadcast_shapes(xs, ys), *x.shape[-2:-1], *(y.shape[-1:] if y.ndim > 1 else ())))
    for z_index, x_index, y_index in matmul_terms(x, y):
        z[z_index] += x[x_index] * y[y_index]
    return z


def matmul_gradients(dz: Array, x: Array, y: Array) -> tuple[Any, ...]:
    """dX[i, k] = the sum over j of dZ[i, j] Y[k, j], and dY[k, j] = the sum over i of X[i, k] dZ[i, j]."""
    dx, dy = np.zeros(x.shape), np.zeros(y.shape)
    for z_index, x_index, y_index in matmul_terms(x, y):
        dx[x_index] += dz[z_index] * y[y_index]
        dy[y_index] += x[x_index] * dz[z_index]
    return dx, dy


# -- shape changes: where each element goes ------------------------------------------------------------------

def moved(move: Callable[..., Array], fill: Callable[..., float] = lambda **attrs: 0.0) -> Reference:
    """An op that only moves elements; `move` does so with their flat indices (-1: filled by `fill`)."""
    def numbers(arrays: Sequence[Array]) -> list[Array]:
        starts = np.cumsum([0, *(a.size for a in arrays)])
        return [np.arange(s, s + a.size).reshape(a.shape) for s, a in zip(starts, arrays)]

    def forward(*arrays: Array, **attrs: Any) -> Array:
        values = np.concatenate([a.reshape(-1) for a in arrays])
        sources = move(*numbers(arrays), **attrs)
        y = np.zeros(sources.shape, dtype=values.dtype)
        for index in np.ndindex(y.shape):
            y[index] = values[sources[index]] if sources[index] >= 0 else fill(**attrs)
        return y

    def gradients(dy: Array, *arrays: Array, **attrs: Any) -> tuple:
        total, sources = np.zeros(sum(a.size for a in arrays)), move(*numbers(arrays), **attrs)
        for index in np.ndindex(dy.shape):
            if sources[index] >= 0:
                total[sources[index]] += dy[index]
        ends = np.cumsum([a.size for a in arrays])
        return tuple(total[end - a.size:end].reshape(a.shape) for a, end in zip(arrays, ends))
    return forward, gradients


def padded(x: Array, pads: tuple[Any, ...], **_: Any) -> Array:
    """Elements added at both ends of each axis; negative amounts take elements away."""
    for axis, (before, after) in enumerate(pads):
        lines = list(np.moveaxis(x, axis, 0))
        empty = [np.full(x.shape[:axis] + x.shape[axis + 1:], -1)]
        lines = empty * before + lines[max(-before, 0):len(lines) + min(after, 0)] + empty * after
        x = np.moveaxis(np.stack(lines), 0, axis)
    return x


def edges_padded(x: Array, pads: tuple[Any, ...], mode: str) -> Array:
    """Elements of x around each axis: NumPy's own padding, of flat indices; negative amounts take away."""
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    for axis, (before, after) in enumerate(pads):
        less = (slice(None),) * axis + (slice(max(-before, 0), x.shape[axis] - max(-after, 0)),)
        more = [(0, 0)] * axis + [(max(before, 0), max(after, 0))] + [(0, 0)] * (x.ndim - axis - 1)
        if mode == "circular":
            x = np.pad(x[less], more, mode="wrap")
        else:  # what is taken away may come again as a mirror's or an edge's
            x = np.pad(x, more, mode=names[mode])  # type: ignore[call-overload]
            x = x[(slice(None),) * axis + (slice(max(-before, 0), x.shape[axis] - max(-after, 0)),)]
    return x


def expanded(x: Array, shape: tuple[Any, ...]) -> Array:
    """Broadcast to a shape in which -1 keeps a size."""
    sizes = (0,) * (len(shape) - x.ndim) + x.shape
    return np.broadcast_to(x, tuple(k if n == -1 else n for n, k in zip(shape, sizes)))


def cast(x: Array, *, dtype: str) -> Array:
    """The values in another dtype; integers are rounded toward zero."""
    return np.array(list(x.reshape(-1))).astype(dtype).reshape(x.shape)


def indexed(x: Array, index: Any) -> Array:
    """PyTorch's x[index]: ints and slices first, where NumPy counts an int beside an array as an array."""
    entries = index if isinstance(index, tuple) else (index,)
    slices = [[slice(None)] * (e.ndim if e.dtype == bool else 1) if isinstance(e, np.ndarray) else [e]
              for e in entries]
    x = np.asarray(x[tuple(e for part in slices for e in part)])
    return np.asarray(x[tuple(e if isinstance(e, np.ndarray) or e is Ellipsis else slice(None)
                              for e in entries if not isinstance(e, int))])


pad_edges, pad_edges_gradients = moved(edges_padded)


def pad_edges_input(dy: Array, *, pads: tuple[Any, ...], mode: str) -> Array:
    """Each element gets the sum of the gradients of those that were made of it."""
    x = np.zeros([n - sum(amounts) for n, amounts in zip(dy.shape, pads)])
    return pad_edges_gradients(dy, x, pads=pads, mode=mode)[0]  # type: ignore[misc]


ARITHMETIC: dict[str, Reference] = {
    "add": elementwise(lambda x, y: x + y, lambda x, y: 1, lambda x, y: 1),
    "sub": elementwise(lambda x, y: x - y, lambda x, y: 1, lambda x, y: -1),
    "mul": elementwise(lambda x, y: x * y, lambda x, y: y, lambda x, y: x),
    "div": elementwise(lambda x, y: x / y, lambda x, y: 1 / y, lambda x, y: -x / y**2),
    "pow": elementwise(lambda x, y: x**y, lambda x, y: y * x ** (y - 1) if y else 0.0,
                       lambda x, y: x**y * math.log(x) if x > 0 else 0.0),
    "cast": (cast, lambda dy, x, dtype: (dy,)),
    "where": elementwise(lambda c, x, y: x if c else y, None, lambda c, x, y: bool(c), lambda c, x, y: not c),
    "equal": elementwise(lambda x, y: bool(x == y)),
    "not_equal": elementwise(lambda x, y: bool(x != y)),
    "less": elementwise(lambda x, y: bool(x < y)),
    "less_equal": elementwise(lambda x, y: bool(x <= y)),
    "greater": elementwise(lambda x, y: bool(x > y)),
    "greater_equal": elementwise(lambda x, y: bool(x >= y)),
    "sum": reduction(lambda values: sum(values, 0.0), lambda values: [1] * len(values)),
    "mean": reduction(lambda values: sum(values) / len(values),
                      lambda values: [1 / len(values)] * len(values)),
    "prod": reduction(math.prod, lambda values: [math.prod(values[:i] + values[i + 1:])
                                                 for i in range(len(values))]),
    "max": reduction(max, top_shares),
    "min": reduction(min, lambda values: top_shares([-v for v in values])),
    "argmin": reduction(lambda values: values.index(min(values)), None),
    "all": reduction(all, None),
    "any": reduction(any, None),
    "cumsum": along(lambda values: [sum(values[:i + 1], 0.0) for i in range(len(values))],
                    lambda values, i, k: float(k <= i)),
    "cumprod": along(lambda values: [math.prod(values[:i + 1]) for i in range(len(values))],
                     lambda values, i, k: math.prod(values[:k] + values[k + 1:i + 1]) if k <= i else 0.0),
    "argmax": reduction(lambda values: values.index(max(values)), None),
    "matmul": (matmul, matmul_gradients),
    "reshape": moved(lambda x, shape: x.reshape(shape)),
    "permute": moved(lambda x, axes: x.transpose(axes)),
    "expand": moved(expanded),
    "concat": moved(lambda *arrays, axis: np.concatenate(arrays, axis=axis)),
    "pad": moved(padded, lambda pads, value: value),
    "pad_edges": (pad_edges, pad_edges_gradients),
    "pad_edges_input": (pad_edges_input, lambda d, dy, **attrs: (pad_edges(d, **attrs),)),
    "getitem": moved(indexed),
}
