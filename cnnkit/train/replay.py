"""Send an update's batches through the model once more, to inspect each layer, without side effects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cnnkit import backends, random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.nn import Module

__all__ = ["replay"]


def replay(model: Module, images: Iterable[Tensor],
           inspect: Callable[[str, Module, tuple[Any, ...], Any], None]) -> None:
    """Call ``inspect(name, layer, inputs, output)`` for layers without children, in the forward pass's order.

    Buffers, the random numbers' state and every module's mode are afterwards what they were before;
    nothing is recorded.
    """
    def hook(name: str) -> Callable:
        def call_inspect(layer: Module, inputs: tuple, output: Any) -> None:
            inspect(name, layer, inputs, output)
        return call_inspect

    handles = [layer.register_forward_hook(hook(name)) for name, layer in model.named_modules()
               if not list(layer.children())]
    random_state = random.get_state()
    buffers = [(buffer, buffer.array) for buffer in model.buffers()]
    try:
        with no_grad():
            for x in images:
                model(x)
    finally:
        random.set_state(random_state)
        for handle in handles:
            handle.remove()
        with no_grad():
            for buffer, array in buffers:
                buffer.replace_(array)


def finite(*values: Any) -> bool:
    """Whether every element of all Tensors among `values` is a finite number; waits for the device once."""
    any_nonfinite: Any = None
    for value in values:
        if isinstance(value, Tensor) and "float" in str(value.dtype):
            array = value.array
            xp = backends.namespace_of(array)
            nonfinite = xp.any(~xp.isfinite(array))
            any_nonfinite = nonfinite if any_nonfinite is None else xp.logical_or(any_nonfinite, nonfinite)
    return any_nonfinite is None or not bool(Tensor(any_nonfinite).item())
