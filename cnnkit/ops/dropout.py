"""Dropout: zeros at random places, drawn from a key, so that every backend drops the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnkit.backends import namespace_of
from cnnkit.ops.core import op
from cnnkit.ops.dtypes import need_floating
from cnnkit.random import Key, bernoulli

Array = Any


def _infer(shapes: Sequence, dtypes: Sequence, *, p: float, key: Key) -> tuple:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout needs a probability p between 0 and 1; got {p}")
    need_floating("dropout", dtypes[0])
    return ((shapes[0], dtypes[0]),)


@op(infer=_infer, saves={})
def dropout(x: Array, *, needs: Sequence[bool], p: float, key: Key) -> tuple:
    """Zero each element with probability `p` and multiply the others by 1 / (1 - p) (Srivastava et al. 2014).

    `key` decides which: element i, in C order, is kept if draw i of ``random.bernoulli(key, 1 - p)`` is True.
    """
    xp = namespace_of(x)
    kept = bernoulli(key, 1 - p, tuple(x.shape), like=x)
    scale = 1 / (1 - p) if p < 1 else 0.0

    def dropped(values: Array) -> Array:
        return values * (xp.astype(kept, values.dtype) * scale)
    return dropped(x), (lambda dy: (dropped(dy),)) if needs[0] else None
