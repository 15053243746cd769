"""What a convolution does to its sums before it stores them: see ``src/conv/finish.h``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cnnkit.backends import Call
from cnnkit_cpu import library
from cnnkit_cpu.activation import NO_FUNCTION, Function, function_of
from cnnkit_cpu.layout import in_order_of
from cnnkit_cpu.library import address

RELU_FUNCTION: Function = (0, 0.0, 0.0)


class Finish(NamedTuple):
    """An addition of `addend`, which has the result's shape, and then an activation's C++ function."""

    addend: np.ndarray | None = None
    function: Function = NO_FUNCTION


def finish_of(addend: np.ndarray | None, activation: Call | None) -> Finish | None:
    """The finish for these; ``None`` where there is no C++ function of the activation."""
    function = NO_FUNCTION if activation is None else function_of(activation.op.name, activation.attrs)
    return None if function is None else Finish(addend, function)


def finish_in_place(y: np.ndarray, finish: Finish) -> None:
    """The same to a result to which nobody else refers yet."""
    owner, threads = library.active, library.threads
    if finish.addend is not None:
        addend = in_order_of(y, finish.addend)
        owner.add_arrays(threads, y.size, address(y), address(addend), address(y))
    if finish.function != NO_FUNCTION:
        owner.activation_forward(threads, *finish.function, y.size, address(y), address(y))
