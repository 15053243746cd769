"""Cases of the end of a residual block: batch normalisation, the addend, and the ReLU behind them.

Kernels may serve images whose channels lie last in memory and decline all others, so the cases come in both
orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cnnkit.conformance.cases.norm import BATCH_NORM, parameters
from cnnkit.conformance.inputs import Draw
from cnnkit.conformance.kinds.op import OpCase
from cnnkit.conformance.tolerance import SUMS

__all__ = ["CASES"]


def residual(name: str, x: tuple, addend: tuple | float | None = None, *, affine: bool = True,
             running: bool = True, x_grad: bool = True, addend_grad: bool = True, half: bool = False,
             mixed: bool = False, last: bool = False, **attrs: Any) -> Iterator[OpCase]:
    """The chain with and without ReLU, from the shapes of image and addend (by default that of the image).

    The addend may be a number too; `mixed` ones have parameters of float32 beside images of 16 bits.
    """
    other = addend if isinstance(addend, float) else Draw(addend or x, grad=addend_grad)
    inputs = (Draw(x, grad=x_grad), *parameters(x, affine, running, mixed), other)
    for relu in (False, True):
        key = ("batch_norm", "add", "relu") if relu else ("batch_norm", "add")
        yield OpCase(key, name, inputs, ({**BATCH_NORM, **attrs}, {}, {})[:len(key)], SUMS,
                     (5, 1, 0)[:len(key)], half=half or mixed, smooth=False, channels_last=last)


CASES = (
    *residual("training", (3, 4, 3, 5), half=True),
    *residual("training-channels-last", (3, 4, 5, 3), half=True, last=True),
    *residual("training-channels-last-odd", (2, 7, 3, 5), last=True),
    *residual("training-channels-last-many", (2, 33, 3, 2), last=True),
    *residual("training-channels-last-no-affine", (2, 5, 3, 4), affine=False, last=True),
    *residual("training-channels-last-no-statistics", (2, 4, 3, 5), running=False, last=True),
    *residual("training-momentum-1-large-eps", (2, 3, 3, 2), momentum=1.0, eps=0.5),
    *residual("training-mixed", (3, 4, 3, 5), mixed=True),
    *residual("training-mixed-channels-last", (3, 8, 5, 3), mixed=True, last=True),
    *residual("eval-mixed-channels-last", (2, 16, 4, 3), training=False, mixed=True, last=True),
    *residual("training-matrix", (7, 5)),
    *residual("eval", (2, 3, 4, 3), training=False),
    *residual("eval-channels-last", (2, 5, 4, 3), training=False, half=True, last=True),
    *residual("addend-without-gradient", (3, 4, 3, 2), addend_grad=False, last=True),
    *residual("only-addend-has-gradient", (3, 4, 2, 3), affine=False, x_grad=False, last=True),
    *residual("addend-for-each-channel", (3, 4, 3, 3), (4, 1, 1), last=True),
    *residual("addend-for-each-image", (3, 4, 2, 2), (3, 1, 1, 1)),
    *residual("addend-larger", (1, 3, 3, 4), (2, 3, 3, 4), last=True),
    *residual("addend-number", (3, 4, 3, 4), 0.75),
    *residual("addend-number-channels-last", (3, 5, 4, 2), 0.75, last=True),
    *residual("training-batch-0", (0, 3, 4, 4)),
    *residual("eval-batch-0-channels-last", (0, 3, 4, 4), training=False, last=True),
)
