"""Convolution of many channels, which lie last in memory, by a matrix product or by Winograd's algorithm.

The kernels are in ``src/conv/product``, ``src/conv/winograd`` and ``src/conv/depthwise``. They report a
result that is not finite; then the kernels of `cnnkit_cpu.conv` compute it again, because they propagate NaN
and infinity correctly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.backends import chose
from cnnkit.ops.conv import conv as op
from cnnkit_cpu.activation import NO_FUNCTION
from cnnkit_cpu.choice import DEPTHWISE, FLAT, choose
from cnnkit_cpu.depthwise import DepthwisePlan
from cnnkit_cpu.finish import RELU_FUNCTION, Finish
from cnnkit_cpu.layout import channel_sums, to_channels_last
from cnnkit_cpu.library import Library
from cnnkit_cpu.memory import FLOAT, packed
from cnnkit_cpu.plan import ChannelsLastPlan


def make_plan(owner: Library, x: tuple, weight: tuple, shape: tuple, conv: Mapping[str, Any], pooled: str,
              strict: bool, channels_last: bool) -> ChannelsLastPlan | None:
    """The plan for a convolution, or ``None`` where the flat loops are the better choice."""
    padded = [n + sum(p) for n, p in zip(x[2:], conv["padding"])]
    axes = zip(shape[2:], padded, weight[2:], conv["dilation"], conv["stride"])
    spread = [p + (n + (k - 1) * d) // s + 1 for p, n, k, d, s in axes]
    largest = max(math.prod(padded) * x[1], math.prod(spread) * weight[0], math.prod(shape[1:]),
                  math.prod(weight) * 4)
    if largest >= 2**29:  # offsets within an image, with what is put around it, are 32-bit numbers
        return None
    if max(x[0], *conv["stride"], *conv["dilation"]) >= 2**31:  # as are the numbers of a plan
        return None
    names = choose(x, weight, shape, conv, pooled, strict, channels_last)
    if names[0] == FLAT:
        return None
    kind = DepthwisePlan if names[0] == DEPTHWISE else ChannelsLastPlan
    return kind(owner, x, weight, shape, conv, names)


def infer(plan: ChannelsLastPlan, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None,
          finish: Finish) -> np.ndarray | None:
    """The result where nobody wants gradients, or ``None`` if it is not finite everywhere."""
    weight, bias = packed(weight), None if bias is None else packed(bias)
    if finish.addend is not None:
        finish = finish._replace(addend=to_channels_last(finish.addend))
    y = plan.forward(to_channels_last(x), weight, plan.filters(weight), bias, finish)
    if y is not None:
        chose(plan.names[0])
    return y


def convolve(plan: ChannelsLastPlan, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, relu: bool,
             needs: Sequence[bool], flat: Callable) -> tuple:
    """The result and the function that makes the gradients.

    `flat(x, weight, bias, relu, needs)` does the same for numbers that are not finite.
    """
    needs_x, needs_weight, needs_bias = needs
    weight, bias = packed(weight), None if bias is None else packed(bias)
    x = to_channels_last(x)
    finish = Finish(None, RELU_FUNCTION if relu else NO_FUNCTION)
    if True not in needs:
        y = infer(plan, x, weight, bias, finish)
        return flat(x, weight, bias, relu, needs) if y is None else (y, None)
    y = plan.forward(x, weight, None, bias, finish)
    if y is None:
        return flat(x, weight, bias, relu, needs)
    chose(plan.names[0])
    result = y if relu else None
    x = x if needs_weight else None  # type: ignore[assignment]
    weight = weight if needs_x else None  # type: ignore[assignment]

    def backward(dy: np.ndarray) -> tuple:
        dz = to_channels_last(dy, result)
        dx = plan.input_gradient(dz, weight) if needs_x else None
        dweight = plan.filter_gradient(x, dz) if needs_weight else None
        if (needs_x and dx is None) or (needs_weight and dweight is None):
            return recompute(dz)
        return dx, dweight, channel_sums(dz) if needs_bias else None

    def recompute(dz: np.ndarray) -> tuple:
        """The gradients by the flat loops or the generic op; zeros stand in for arrays that were not kept."""
        arrays = (np.zeros(plan.x, FLOAT) if x is None else x,
                  np.zeros(plan.weight, FLOAT) if weight is None else weight, None)
        array_needs = needs_x, needs_weight, False
        computed = flat(*arrays, False, array_needs)
        if computed is NotImplemented:
            computed = op.generic(*arrays, needs=array_needs, **plan.conv)
        return (*computed[1](dz)[:2], channel_sums(dz) if needs_bias else None)
    return y, backward
