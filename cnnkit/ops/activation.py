"""Activation functions: elementwise ones, and softmax over an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.precision import need_floating, widen

Array = Any


def _infer_floating(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, **attrs: Any) -> tuple:
        need_floating(name, dtypes[0])
        return ((shapes[0], dtypes[0]),)
    return infer


def _infer_along(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: int) -> tuple:
        need_floating(name, dtypes[0])
        ndim = len(shapes[0])
        if not -ndim <= axis < ndim:
            raise IndexError(f"{name} got axis {axis} for an array of shape {tuple(shapes[0])}")
        return ((shapes[0], dtypes[0]),)
    return infer


@op(infer=lambda shapes, dtypes: ((shapes[0], dtypes[0]),), role="activation", increasing=True)
def relu(x: Array, *, needs: Sequence[bool]) -> tuple:
    """max(x, 0); the gradient at 0 is 0, and NaN stays NaN."""
    xp = namespace_of(x)
    y = xp.where(x <= 0, xp.zeros_like(x), x)
    return y, (lambda dy: (xp.where(y <= 0, xp.zeros_like(dy), dy),)) if needs[0] else None


@op(infer=_infer_floating("leaky_relu"), role="activation", increasing=lambda negative_slope: negative_slope >= 0)
def leaky_relu(x: Array, *, needs: Sequence[bool], negative_slope: float) -> tuple:
    """x where x > 0, elsewhere negative_slope * x (Maas, Hannun and Ng 2013)."""
    xp = namespace_of(x)
    y = xp.where(x > 0, x, x * negative_slope)
    return y, (lambda dy: (xp.where(x > 0, dy, dy * negative_slope),)) if needs[0] else None


@op(infer=_infer_floating("elu"), role="activation", increasing=lambda alpha: alpha >= 0)
def elu(x: Array, *, needs: Sequence[bool], alpha: float) -> tuple:
    """x where x > 0, elsewhere alpha * (exp(x) - 1) (Clevert, Unterthiner and Hochreiter 2016)."""
    xp = namespace_of(x)
    flat = x <= 0
    below = alpha * xp.expm1(xp.where(flat, x, xp.zeros_like(x)))
    return xp.where(flat, below, x), (lambda dy: (xp.where(flat, dy * (below + alpha), dy),)) if needs[0] else None


def _sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) from exp(-|x|), which cannot overflow."""
    xp = namespace_of(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x < 0, small, xp.ones_like(small)) / (1 + small)


@op(infer=_infer_floating("sigmoid"), role="activation", increasing=True)
def sigmoid(x: Array, *, needs: Sequence[bool]) -> tuple:
    """1 / (1 + exp(-x)), for any x without overflow."""
    y = _sigmoid(x)
    return y, (lambda dy: (dy * (1 - y) * y,)) if needs[0] else None


@op(infer=_infer_floating("silu"), role="activation")
def silu(x: Array, *, needs: Sequence[bool]) -> tuple:
    """x * sigmoid(x), also called swish (Elfwing, Uchibe and Doya 2018)."""
    gate = _sigmoid(x)
    return x * gate, (lambda dy: (dy * gate * (1 + x * (1 - gate)),)) if needs[0] else None


@op(infer=_infer_floating("tanh"), role="activation", increasing=True)
def tanh(x: Array, *, needs: Sequence[bool]) -> tuple:
    """Hyperbolic tangent."""
    y = namespace_of(x).tanh(x)
    return y, (lambda dy: (dy * (1 - y * y),)) if needs[0] else None


@op(infer=_infer_along("softmax"))
def softmax(x: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """exp(x) / sum(exp(x)) along `axis`, after the maximum is taken away; float16 is summed in float32."""
    xp, dtype = namespace_of(x), x.dtype
    if 0 in x.shape:
        return xp.asarray(x, copy=True), (lambda dy: (dy,)) if needs[0] else None
    wide = widen(x)
    exp = xp.exp(wide - xp.max(wide, axis=axis, keepdims=True))
    y = exp / xp.sum(exp, axis=axis, keepdims=True)

    def backward(dy: Array) -> tuple:
        weighted = widen(dy) * y
        return (xp.astype(weighted - y * xp.sum(weighted, axis=axis, keepdims=True), dtype, copy=False),)
    return xp.astype(y, dtype, copy=False), backward if needs[0] else None


@op(infer=_infer_along("log_softmax"))
def log_softmax(x: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """x - log(sum(exp(x))) along `axis`, after the maximum is taken away; float16 is summed in float32."""
    xp, dtype = namespace_of(x), x.dtype
    if 0 in x.shape:
        return xp.asarray(x, copy=True), (lambda dy: (dy,)) if needs[0] else None
    y = log_probabilities(x, axis)

    def backward(dy: Array) -> tuple:
        dy = widen(dy)
        return (xp.astype(dy - xp.exp(y) * xp.sum(dy, axis=axis, keepdims=True), dtype, copy=False),)
    return xp.astype(y, dtype, copy=False), backward if needs[0] else None


def log_probabilities(x: Array, axis: int) -> Array:
    """`log_softmax` on arrays, in float32 or wider; no axis may be empty."""
    xp = namespace_of(x)
    x = widen(x)
    x = x - xp.max(x, axis=axis, keepdims=True)
    return x - xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))
