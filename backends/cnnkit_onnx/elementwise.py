"""Functions of each element: arithmetic, activations, softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from cnnkit.backends import decline, dtype_name
from cnnkit_onnx.drawing import constant, drawn, op, var_of

Array = Any

# of numbers with a point
SAME = {"exp": op.exp, "log": op.log, "sqrt": op.sqrt, "tanh": op.tanh, "sigmoid": op.sigmoid,
        "relu": op.relu, "softsign": op.softsign, "hardswish": op.hard_swish, "erf": op.erf,
        "floor": op.floor, "ceil": op.ceil, "abs": op.abs, "neg": op.neg, "selu": op.selu}
# what each makes of numbers as float32
FORMULAS: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda x, negative_slope: op.leaky_relu(x, alpha=negative_slope),
    "elu": lambda x, alpha: op.elu(x, alpha=alpha),
    "celu": lambda x, alpha: op.celu(x, alpha=alpha),
    "hardsigmoid": lambda x: op.hard_sigmoid(x, alpha=1 / 6, beta=0.5),
    "hardshrink": lambda x, lambd: op.shrink(x, bias=0.0, lambd=lambd),
    "softshrink": lambda x, lambd: op.shrink(x, bias=lambd, lambd=lambd),
    "silu": lambda x: op.mul(x, op.sigmoid(x)),
    "mish": lambda x: op.mul(x, op.tanh(op.softplus(x))),
    "tanhshrink": lambda x: op.sub(x, op.tanh(x)),
    "logsigmoid": lambda x: op.neg(op.softplus(op.neg(x))),
    "softmax": lambda x, axis: op.softmax(x, axis=axis),
    "log_softmax": lambda x, axis: op.log_softmax(x, axis=axis)}


def of_floats(formula: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel of a function of a graph's value, for numbers with a point."""
    def kernel(x: Array, **attrs: Any) -> Any:
        if dtype_name(x.dtype) not in ("float32", "float64", "float16"):
            return decline(dtype_name(x.dtype))
        return drawn(formula(var_of(x), **attrs))
    return kernel


def gelu(x: Array, *, approximate: str) -> Any:
    """x / 2 (1 + Erf(x / sqrt(2))), or with Tanh: the operator Gelu came later, in opset 20."""
    v = var_of(x)

    def times(value: Any, factor: float) -> Any:
        return op.mul(value, constant(factor, x.dtype))
    if approximate == "tanh":
        cubed = op.mul(op.mul(v, v), v)
        inside = op.tanh(times(op.add(v, times(cubed, 0.044715)), math.sqrt(2 / math.pi)))
    else:
        inside = op.erf(op.div(v, constant(math.sqrt(2), x.dtype)))
    return drawn(times(op.mul(v, op.add(inside, constant(1, x.dtype))), 0.5))


def softplus(x: Array, *, beta: float, threshold: float) -> Any:
    """Softplus, where what lies beyond the threshold differs by less than float32 shows."""
    if beta != 1 or threshold < 18:
        return decline(f"beta={beta} and threshold={threshold}")
    return drawn(op.softplus(var_of(x)))


def threshold(x: Array, *, threshold: float, value: float) -> Any:
    """ThresholdedRelu, or Where for another value than 0."""
    if dtype_name(x.dtype) not in ("float32", "float64", "float16"):
        return decline("whole numbers")
    if not value:
        return drawn(op.thresholded_relu(var_of(x), alpha=threshold))
    low = op.less_or_equal(var_of(x), constant(threshold, x.dtype))
    return drawn(op.where(low, constant(value, x.dtype), var_of(x)))


def clip(x: Array, *, min: float | None, max: float | None) -> Any:
    """Clip."""
    if min is not None and max is not None and min > max:
        return decline("min > max")
    if dtype_name(x.dtype) == "bool" or any("int" in dtype_name(x.dtype) and isinstance(end, float)
                                            for end in (min, max)):
        return decline("a limit of another kind than the numbers")
    low, high = (None if end is None else constant(end, x.dtype) for end in (min, max))
    return drawn(op.clip(var_of(x), low, high))


def hardtanh(x: Array, *, min_val: float, max_val: float) -> Any:
    """Clip."""
    return clip(x, min=min_val, max=max_val)


BINARY = {"add": op.add, "sub": op.sub, "mul": op.mul, "div": op.div, "pow": op.pow,
          "maximum": lambda x, y: op.max([x, y]), "minimum": lambda x, y: op.min([x, y])}


def binary(function: Callable[..., Any], kinds: tuple[str, ...] = ("float",)) -> Callable[..., Any]:
    """A kernel of an operator of two arrays of one dtype, or of one and a number."""
    def kernel(x: Array, y: Array) -> Any:
        like = x if hasattr(x, "dtype") else y
        name = dtype_name(like.dtype)
        if not any(kind in name for kind in kinds) or any(
                value.dtype != like.dtype if hasattr(value, "dtype") else type(value) is float
                and "float" not in name for value in (x, y)):
            return decline("two dtypes, or whole numbers")
        return drawn(function(var_of(x, like=like), var_of(y, like=like)))
    return kernel


def where(condition: Array, x: Array, y: Array) -> Any:
    """Where."""
    like = x if hasattr(x, "dtype") else y
    if not hasattr(like, "dtype") or any(hasattr(v, "dtype") and v.dtype != like.dtype for v in (x, y)):
        return decline("two dtypes")
    return drawn(op.where(var_of(condition), var_of(x, like=like), var_of(y, like=like)))
