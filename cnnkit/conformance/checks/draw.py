"""The check of random bits: a draw is Threefry's, to the bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cnnkit import random
from cnnkit.conformance.reference.activation import threefry

if TYPE_CHECKING:
    from cnnkit.conformance.kinds.draw import DrawCase
    from cnnkit.conformance.target import Target

__all__ = ["DRAW_CHECKS"]


def check_bits(case: DrawCase, target: Target) -> None:
    """Every bit is Threefry's, word i % 2 of counter i // 2; other draws are its top 24 bits."""
    count = math.prod(case.shape)
    words = np.array([threefry(case.key, i // 2)[i % 2] for i in range(count)],
                     dtype=np.uint32).reshape(case.shape)
    got = target.to_numpy(random.bits(case.key, case.shape, backend=target.backend))
    assert got.shape == case.shape, f"the shape is {got.shape}, and must be {case.shape}"
    assert got.dtype == np.int32, f"the dtype is {got.dtype}, and must be int32"
    assert (got.view(np.uint32) == words).all(), "the bits are not Threefry's"
    uniform = target.to_numpy(random.uniform(case.key, case.shape, "float32", backend=target.backend))
    assert (uniform == (words >> 8) * 2.0**-24).all(), "uniform draws are not the top 24 bits times 2^-24"
    kept = target.to_numpy(random.bernoulli(case.key, 0.3, case.shape, backend=target.backend))
    assert (kept == (words >> 8 < round(0.3 * 2**24))).all(), "Bernoulli draws do not compare the top 24 bits"


DRAW_CHECKS = (check_bits,)
