"""How far convolutions are from float64, by algorithm: ``python asv_benchmarks/benchmarks/precision.py``.

The error is the root mean square of the difference from float64, in the ratio to that of the result, for
normal numbers.
"""

from __future__ import annotations

import numpy as np
from cnnkit_cpu import choice

from cnnkit.ops.core import OPS

CASES = ((64, 64, 16), (128, 128, 16), (256, 256, 8), (512, 512, 4))  # channels, filters, height and width
CONV = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}


def errors(algorithm: str, C: int, K: int, size: int) -> list[float]:
    """Of the result, of the input's gradient, and of the filters'."""
    rng = np.random.default_rng(0)
    x, w, dy = (rng.standard_normal(s) for s in ((8, C, size, size), (K, C, 3, 3), (8, K, size, size)))
    needs = (True, True, False)
    exact, back = OPS["conv"](x, w, None, needs=needs, **CONV)
    with choice.algorithm(algorithm):
        got, back32 = OPS["conv"](x.astype(np.float32), w.astype(np.float32), None, needs=needs, **CONV)
        found = (*got, *back32(dy.astype(np.float32))[:2])
    return [float(np.sqrt(np.mean((a - b) ** 2) / np.mean(b ** 2)))
            for a, b in zip(found, (*exact, *back(dy)[:2]))]


if __name__ == "__main__":
    print("| algorithm | channels | result | input's gradient | filters' gradient |\n|---|---|---|---|---|")
    for name in choice.NAMES:
        for case in CASES:
            print(f"| {name} | {case[0]} | " + " | ".join(f"{e:.1e}" for e in errors(name, *case)) + " |")
