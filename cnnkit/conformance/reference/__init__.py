"""The ground truth: every op by naive loops in float64, forward and gradients, from the textbook's formulas.

Nothing here is fast or clever, and nothing here uses an op. A reference is a pair of functions on NumPy
arrays: ``forward(*arrays, **attrs)`` gives the outputs, ``gradients(dy, *arrays, **attrs)`` one gradient per
array, or ``None`` where there is none. An op without gradients has ``None`` in the second place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnkit.conformance.reference import (
    activation,
    arithmetic,
    assigning,
    conv,
    ctc,
    gathering,
    loss,
    norm,
    pointwise,
    pool,
    resampling,
)
from cnnkit.conformance.reference.arithmetic import ARITHMETIC
from cnnkit.conformance.reference.formula import Formula

__all__ = ["FORMULAS", "REFERENCES", "evaluate"]

Reference = tuple[Callable[..., Any], Callable[..., Any] | None]
FORMULAS: dict[str, Formula] = {  # of unary elementwise ops
    **activation.FORMULAS, **arithmetic.FORMULAS, **pointwise.FORMULAS}


def _pairs(module: Any, *names: str) -> dict[str, Reference]:
    return {name: (getattr(module, name), getattr(module, f"{name}_gradients")) for name in names}


REFERENCES: dict[str, Reference] = {
    **ARITHMETIC,
    **pointwise.POINTWISE,
    **{name: (formula.forward, formula.gradients) for name, formula in FORMULAS.items()},
    **_pairs(activation, "dropout", "log_softmax", "softmax"),
    **_pairs(assigning, "index_put", "replace_view"),
    **_pairs(conv, "conv", "conv_filters", "conv_input", "fold", "linear", "unfold"),
    **_pairs(ctc, "ctc"),
    **_pairs(gathering, "scatter_add", "take", "take_along_axis"),
    **_pairs(loss, "cross_entropy", "mse_loss", "nll_loss"),
    **_pairs(norm, "batch_norm", "standardize"),
    **_pairs(resampling, "resample", "resample_input"),
    **_pairs(pool, "adaptive_avg_pool", "adaptive_max_pool", "avg_pool", "avg_pool_input", "max_pool",
             "max_unpool"),
    "adaptive_max_pool_with_indices": (pool.adaptive_max_pool_with_indices, pool.adaptive_max_pool_gradients),
    "max_pool_with_indices": (pool.max_pool_with_indices, pool.max_pool_gradients),
}


def evaluate(names: Sequence[str], attrs: Sequence[Mapping[str, Any]],
             counts: Sequence[int], arrays: Sequence[Any],
             make_dy: Callable[[tuple[int, ...]], np.ndarray]) -> tuple[tuple[Any, ...], np.ndarray,
             tuple[Any, ...]]:
    """Run ops one after the other, each on the first output of the one before, and go back through them.

    Parameters
    ----------
    names, attrs : sequence of str, sequence of dict
        The ops and their attributes; one of each, unless the case is a fused one.
    counts : sequence of int
        How many of the arrays each op takes, its predecessor's output not counted.
    arrays : sequence of array, number or None
        What the ops take, op by op.
    make_dy : callable
        Makes the last output's gradient from its shape.

    Returns
    -------
    outputs : tuple of array or None
        The last op's first output, then the other outputs of each op in order.
    dy : array
        What `make_dy` made.
    gradients : tuple of array or None
        One per array.
    """
    first: Any = None
    others, steps, start = [], [], 0
    for n, (name, attributes, count) in enumerate(zip(names, attrs, counts)):
        inputs = [*([first] if n else []), *arrays[start:start + count]]
        start += count
        outputs = REFERENCES[name][0](*inputs, **attributes)
        first, *rest = outputs if isinstance(outputs, tuple) else (outputs,)
        others += rest
        steps.append((name, attributes, inputs))
    dy: Any = make_dy(np.shape(first))
    flow = dy
    gradients: list = []
    for n, (name, attributes, inputs) in reversed(list(enumerate(steps))):
        backward = REFERENCES[name][1]
        dxs = (None,) * len(inputs) if backward is None else backward(flow, *inputs, **attributes)
        if n:
            flow, dxs = dxs[0], dxs[1:]
        gradients[:0] = dxs
    return (first, *others), dy, tuple(gradients)
