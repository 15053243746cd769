"""Activation functions: elementwise ones, and softmax over an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops import special
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import need_floating, widen
from cnnkit.ops.unary import elementwise

Array = Any
SELU = (1.0507009873554805, 1.6732632423543772)  # factor, alpha


def _infer_along(name: str) -> Callable:
    def infer(shapes: Sequence, dtypes: Sequence, *, axis: int) -> tuple:
        need_floating(name, dtypes[0])
        ndim = len(shapes[0])
        if not -ndim <= axis < ndim:
            raise IndexError(f"{name} got axis {axis} for an array of shape {tuple(shapes[0])}")
        return ((shapes[0], dtypes[0]),)
    return infer


def _along_the_same(order: tuple[int, ...], axis: int) -> dict[str, int]:
    return {"axis": order.index(axis % len(order))}


@elementwise(from_y=lambda xp, dy, y: xp.where(y <= 0, xp.zeros_like(dy), dy), integers=True,
             role="activation", increasing=True, kinks=(0.0,), torch="torch.nn.functional.relu")
def relu(xp: Any, x: Array) -> Array:
    """max(x, 0); the gradient at 0 is 0, and NaN stays NaN."""
    return xp.where(x <= 0, xp.zeros_like(x), x)


@elementwise(from_x=lambda xp, dy, x, negative_slope: xp.where(x > 0, dy, dy * negative_slope),
             role="activation", increasing=lambda negative_slope: negative_slope >= 0, kinks=(0.0,),
             torch="torch.nn.functional.leaky_relu")
def leaky_relu(xp: Any, x: Array, negative_slope: float) -> Array:
    """x where x > 0, elsewhere negative_slope * x (Maas, Hannun and Ng 2013)."""
    return xp.where(x > 0, x, x * negative_slope)


@elementwise(from_x=lambda xp, dy, x, below, alpha: xp.where(x <= 0, dy * (below + alpha), dy),
             role="activation", increasing=lambda alpha: alpha >= 0, kinks=(0.0,),
             torch="torch.nn.functional.elu")
def elu(xp: Any, x: Array, alpha: float) -> tuple:
    """x where x > 0, elsewhere alpha * (exp(x) - 1) (Clevert, Unterthiner and Hochreiter 2016)."""
    negative = x <= 0
    below = alpha * xp.expm1(xp.where(negative, x, xp.zeros_like(x)))
    return xp.where(negative, below, x), below


@elementwise(from_x=lambda xp, dy, x, cdf, approximate:
             dy * (cdf + x * special.normal_density(xp, x, cdf, approximate)),
             choices={"approximate": ("none", "tanh")}, role="activation", torch="torch.nn.functional.gelu")
def gelu(xp: Any, x: Array, approximate: str) -> tuple:
    """x times the part of the normal distribution below x (Hendrycks and Gimpel 2016)."""
    return x * (cdf := special.normal_cumulative(xp, x, approximate)), cdf


@elementwise(from_x=lambda xp, dy, x: xp.where(x <= -3, xp.zeros_like(dy),
                                               xp.where(x < 3, dy * (x / 3 + 0.5), dy)),
             role="activation", kinks=(-3.0, 3.0), torch="torch.nn.functional.hardswish")
def hardswish(xp: Any, x: Array) -> Array:
    """x * min(max(x + 3, 0), 6) / 6 (Howard et al. 2019)."""
    return xp.clip(x, -3, None) * xp.clip(x + 3, 0, 6) / 6  # 0 at -infinity


@elementwise(from_y=lambda xp, dy, y: dy * (1 - y) * y,
             role="activation", increasing=True, torch="torch.sigmoid")
def sigmoid(xp: Any, x: Array) -> Array:
    """1 / (1 + exp(-x)), for any x without overflow."""
    return special.sigmoid(xp, x)


@elementwise(from_x=lambda xp, dy, x, gate: dy * gate * (1 + x * (1 - gate)),
             role="activation", torch="torch.nn.functional.silu")
def silu(xp: Any, x: Array) -> tuple:
    """x * sigmoid(x), also called swish (Elfwing, Uchibe and Doya 2018)."""
    gate = special.sigmoid(xp, x)
    return x * gate, gate


@elementwise(from_y=lambda xp, dy, y: dy * (1 - y * y),
             role="activation", increasing=True, torch="torch.tanh")
def tanh(xp: Any, x: Array) -> Array:
    """Hyperbolic tangent."""
    return xp.tanh(x)


@elementwise(from_x=lambda xp, dy, x: dy / (1 + xp.abs(x)) ** 2, role="activation", increasing=True,
             torch="torch.nn.functional.softsign")
def softsign(xp: Any, x: Array) -> Array:
    """x / (1 + |x|) (Bergstra et al. 2009)."""
    return x / (1 + xp.abs(x))


@elementwise(from_x=lambda xp, dy, x: dy * special.sigmoid(xp, -x), role="activation", increasing=True,
             torch="torch.nn.functional.logsigmoid")
def logsigmoid(xp: Any, x: Array) -> Array:
    """log(1 / (1 + exp(-x))), for any x without overflow."""
    return xp.clip(x, None, 0) - xp.log1p(xp.exp(-xp.abs(x)))


@elementwise(from_y=lambda xp, dy, y: xp.where(y <= 0, dy * (y + SELU[0] * SELU[1]), dy * SELU[0]),
             role="activation", increasing=True, kinks=(0.0,), torch="torch.nn.functional.selu")
def selu(xp: Any, x: Array) -> Array:
    """ELU with such an alpha and factor that mean 0 and variance 1 stay (Klambauer et al. 2017)."""
    return SELU[0] * xp.where(x > 0, x, SELU[1] * xp.expm1(xp.clip(x, None, 0)))


@elementwise(from_x=lambda xp, dy, x, gate: dy * (gate + x * (1 - gate * gate) * special.sigmoid(xp, x)),
             role="activation", torch="torch.nn.functional.mish")
def mish(xp: Any, x: Array) -> tuple:
    """x * tanh(log(1 + exp(x))) (Misra 2019)."""
    gate = xp.tanh(xp.clip(x, 0, None) + xp.log1p(xp.exp(-xp.abs(x))))  # without overflow
    return x * gate, gate


@elementwise(from_x=lambda xp, dy, x, min_val, max_val:
             xp.where((x <= min_val) | (x >= max_val), xp.zeros_like(dy), dy),
             role="activation", increasing=True, kinks=lambda min_val, max_val: (min_val, max_val),
             torch="torch.nn.functional.hardtanh")
def hardtanh(xp: Any, x: Array, min_val: float, max_val: float) -> Array:
    """x between two numbers, and the nearer of them beyond (Collobert 2004); the gradient at both is 0."""
    return xp.where(x <= min_val, xp.full_like(x, min_val),
                    xp.where(x >= max_val, xp.full_like(x, max_val), x))


@elementwise(from_x=lambda xp, dy, x: xp.where((x <= -3) | (x >= 3), xp.zeros_like(dy), dy / 6),
             role="activation", increasing=True, kinks=(-3.0, 3.0))
def hardsigmoid(xp: Any, x: Array) -> Array:
    """min(max(x + 3, 0), 6) / 6 (Howard et al. 2019)."""
    return xp.clip(x + 3, 0, 6) / 6


@elementwise(from_x=lambda xp, dy, x, lambd: xp.where((x >= -lambd) & (x <= lambd), xp.zeros_like(dy), dy),
             role="activation", kinks=lambda lambd: (-lambd, lambd), torch="torch.nn.functional.hardshrink")
def hardshrink(xp: Any, x: Array, lambd: float) -> Array:
    """0 between -lambd and lambd, elsewhere x."""
    return xp.where((x >= -lambd) & (x <= lambd), xp.zeros_like(x), x)


@elementwise(from_x=lambda xp, dy, x, lambd: xp.where((x >= -lambd) & (x <= lambd), xp.zeros_like(dy), dy),
             role="activation", increasing=True, kinks=lambda lambd: (-lambd, lambd),
             torch="torch.nn.functional.softshrink")
def softshrink(xp: Any, x: Array, lambd: float) -> Array:
    """0 between -lambd and lambd, elsewhere x moved towards 0 by lambd; NaN stays NaN."""
    return xp.where(x > lambd, x - lambd, xp.where(x >= -lambd, xp.zeros_like(x), x + lambd))


@elementwise(from_x=lambda xp, dy, x, tanh: dy * tanh * tanh, role="activation", increasing=True,
             torch="torch.nn.functional.tanhshrink")
def tanhshrink(xp: Any, x: Array) -> tuple:
    """x - tanh(x)."""
    tanh = xp.tanh(x)
    return x - tanh, tanh


@elementwise(from_x=lambda xp, dy, x, beta, threshold:
             xp.where(x * beta > threshold, dy, dy * special.sigmoid(xp, x * beta)),
             role="activation",  # the slope jumps by about e^-threshold
             kinks=lambda beta, threshold: (threshold / beta,) if threshold < 15 else (),
             torch="torch.nn.functional.softplus")
def softplus(xp: Any, x: Array, beta: float, threshold: float) -> Array:
    """log(1 + exp(beta * x)) / beta, and x where beta * x > threshold (Dugas et al. 2001)."""
    scaled = x * beta
    smooth = xp.clip(scaled, 0, None) + xp.log1p(xp.exp(-xp.abs(scaled)))  # without overflow
    return xp.where(scaled > threshold, x, smooth / beta)


@elementwise(from_x=lambda xp, dy, x, threshold, value: xp.where(x <= threshold, xp.zeros_like(dy), dy),
             role="activation", kinks=lambda threshold, value: (threshold,),
             torch="torch.nn.functional.threshold")
def threshold(xp: Any, x: Array, threshold: float, value: float) -> Array:
    """x where it is larger than `threshold`, elsewhere `value`."""
    return xp.where(x <= threshold, xp.full_like(x, value), x)


@elementwise(from_x=lambda xp, dy, x, below, alpha: xp.where(x <= 0, dy * (below / alpha + 1), dy),
             role="activation", increasing=True, torch="torch.nn.functional.celu")
def celu(xp: Any, x: Array, alpha: float) -> tuple:
    """x where x > 0, elsewhere alpha * (exp(x / alpha) - 1), smooth for any alpha (Barron 2017)."""
    negative = x <= 0
    below = alpha * xp.expm1(xp.where(negative, x, xp.zeros_like(x)) / alpha)
    return xp.where(negative, below, x), below


@op(infer=_infer_along("softmax"), sums=True, permuted=_along_the_same,
    torch="torch.softmax", torch_names={"axis": "dim"}, saves={0: ("output",)})
def softmax(x: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """exp(x) / sum(exp(x)) along `axis`, the maximum subtracted first; float16 is summed in float32."""
    xp, dtype = namespace_of(x), x.dtype
    if 0 in x.shape:
        return xp.asarray(x, copy=True), (lambda dy: (dy,)) if needs[0] else None
    widened = widen(x)
    exp = xp.exp(widened - xp.max(widened, axis=axis, keepdims=True))
    y = exp / xp.sum(exp, axis=axis, keepdims=True)

    def backward(dy: Array) -> tuple:
        weighted = widen(dy) * y
        return (xp.astype(weighted - y * xp.sum(weighted, axis=axis, keepdims=True), dtype, copy=False),)
    return xp.astype(y, dtype, copy=False), backward if needs[0] else None


@op(infer=_infer_along("log_softmax"), sums=True, permuted=_along_the_same,
    torch="torch.log_softmax", torch_names={"axis": "dim"}, saves={0: ("output",)})
def log_softmax(x: Array, *, needs: Sequence[bool], axis: int) -> tuple:
    """x - log(sum(exp(x))) along `axis`, the maximum subtracted first; float16 is summed in float32."""
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
