"""Send an update's batches through the model once more, to look at what each layer makes of them, and
leave no trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cnnkit import backends, random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.nn import Module

__all__ = ["replay"]


def replay(model: Module, images: Iterable[Tensor], look: Callable[[str, Module, tuple, Any], None]) -> None:
    """Call ``look(name, layer, inputs, output)`` for every layer without children, in the order of
    the forward pass.

    Buffers, the random numbers' state and every module's mode are afterwards what they were before;
    nothing is recorded.
    """
    def hook(name: str) -> Callable:
        def after(layer: Module, inputs: tuple, output: Any) -> None:
            look(name, layer, inputs, output)
        return after

    handles = [layer.register_forward_hook(hook(name)) for name, layer in model.named_modules()
               if not list(layer.children())]
    draws = random.get_state()
    buffers = [(buffer, buffer.array) for buffer in model.buffers()]
    try:
        with no_grad():
            for x in images:
                model(x)
    finally:
        random.set_state(draws)
        for handle in handles:
            handle.remove()
        with no_grad():
            for buffer, array in buffers:
                buffer.replace_(array)


def finite(*values: Any) -> bool:
    """Whether every element of all Tensors among `values` is a finite number; waits for the device once."""
    bad: Any = None
    for value in values:
        if isinstance(value, Tensor) and "float" in str(value.dtype):
            array = value.array
            xp = backends.namespace_of(array)
            here = xp.any(~xp.isfinite(array))
            bad = here if bad is None else xp.logical_or(bad, here)
    return bad is None or not bool(Tensor(bad).item())
