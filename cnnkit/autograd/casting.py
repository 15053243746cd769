"""Mixed precision: what an op's inputs are converted to inside an `autocast` block, by PyTorch's lists.

Products of many numbers run in sixteen bits; what overflows or cancels in them (exponentials, sums, norms,
losses) runs in float32; where inputs meet, the widest decides; everything else runs as its inputs come. The
lists are those that PyTorch has for CUDA, for every device: a program computes the same wherever it runs.
Batch norm is in no list: its input may have sixteen bits beside parameters and statistics of float32.

Only real floating-point numbers of at most 32 bits are converted, never float64 or integers.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from cnnkit import backends
from cnnkit.autograd import calling
from cnnkit.autograd.tape import mode
from cnnkit.autograd.value import Value
from cnnkit.ops import shaping

__all__: list[str] = []

F = TypeVar("F", bound=Callable)

LOWER, FLOAT32, WIDEST = "lower", "float32", "widest"
# op -> the dtype that it runs in
RULES = {name: rule for rule, names in {
    LOWER: "conv conv_input conv_filters linear matmul",
    FLOAT32: """acos asin cosh sinh tan exp expm1 log log10 log1p log2 pow softmax log_softmax softplus
        standardize sum prod cumsum cumprod cross_entropy nll_loss mse_loss""",
    WIDEST: """add sub mul div maximum minimum where concat atan2 remainder fmod equal not_equal less
        less_equal greater greater_equal""",
}.items() for name in names.split()}
CASTABLE = {"float16", "bfloat16", "float32"}


def converted(op: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """An op's inputs as this thread's `autocast` block wants them."""
    rule = RULES.get(op.name)
    return inputs if rule is None or mode.casts is None else by_rule(rule, inputs)


def by_rule(rule: str, inputs: Iterable[Any]) -> tuple[Any, ...]:
    """The Tensors among the inputs in the dtype that the rule says; all else as it is."""
    inputs = tuple(inputs)
    castable = [x for x in inputs if isinstance(x, Value) and x.dtype.name in CASTABLE]
    if not castable:
        return inputs
    lower = _lower_of(castable)
    if lower is None:
        return inputs
    names = {x.dtype.name for x in castable}
    target = lower if rule == LOWER else "float32"
    if (rule == WIDEST and len(names) == 1) or names == {target}:
        return inputs
    return tuple([_cast(x, target) if isinstance(x, Value) and x.dtype.name in CASTABLE else x
                  for x in inputs])


def runs_in(rule: str) -> Callable[[F], F]:
    """Decorate a function that is made of ops: inside `autocast` it runs whole in one dtype."""
    def decorate(function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            casts = mode.casts
            if casts is None:
                return function(*args, **kwargs)
            values = by_rule(rule, (*args, *kwargs.values()))
            mode.casts = None
            try:
                return function(*values[:len(args)], **dict(zip(kwargs, values[len(args):])))
            finally:
                mode.casts = casts
        return wrapped  # type: ignore[return-value]
    return decorate


def _lower_of(values: list[Any]) -> str | None:
    """The sixteen-bit dtype of the device where these are; ``None`` where nothing is converted."""
    assert mode.casts is not None
    value = next((x for x in values if x._link is None), values[0])  # a pending one would have to be computed
    backend = value._backend()
    device = "cpu" if backend.host else value.device.type
    lower = mode.casts.get(device)
    if lower is None or lower in backend.dtypes:
        return lower
    _warn(backend.name, lower)
    return None


@functools.cache
def _warn(backend: str, dtype: str) -> None:
    """Say once that a backend has no such dtype."""
    others = [name for name in ("float16", "bfloat16") if name in backends.get(backend).dtypes]
    warnings.warn(f"the backend {backend!r} has no {dtype}, so autocast leaves its arrays in float32" + (
        f"; it has {others[0]}: autocast(..., dtype=cnnkit.{others[0]})" if others else ""), stacklevel=2)


def _cast(x: Any, name: str) -> Any:
    """A Tensor in another dtype; a parameter's is kept until the outermost block ends."""
    if x.dtype.name == name:
        return x
    kept = mode.kept_casts
    if name == "float32" or not (mode.grad and x._requires_grad and x.is_leaf):
        kept = None
    if kept is not None and (found := kept.get(id(x))) is not None:
        parameter, version, cast = found
        if (parameter is x and version == x._version[0] and cast.dtype.name == name
                and cast._source[0].backward is not None):  # none where `backward` went through it
            return cast
    cast = calling.apply(shaping.cast, x, dtype=x._backend().dtype(name))
    if kept is not None:
        kept[id(x)] = x, x._version[0], cast
    return cast


calling.convert = converted
