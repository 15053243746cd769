"""Hooks on the gradients of a module's call: what `Module.register_full_backward_hook` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.autograd import Tensor
from cnnkit.autograd.custom import step

__all__: list[str] = []


class GradientHooks:
    """The hooks of one call: it is told the inputs and the outputs, and gives those to go on with."""

    def __init__(self, module: Any, before: Sequence[Callable[..., Any]],
                 after: Sequence[Callable[..., Any]]):
        self._module, self._before, self._after = module, before, after
        self._at_outputs: tuple | None = None
        self._inputs, self._waiting = 0, False

    def on_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The inputs, whose gradients the hooks get when all have arrived."""
        self._inputs = len(args)
        if not self._after:
            return args
        passed = self._pass(args, self._inputs_arrived)
        self._waiting = passed is not None
        return args if passed is None else passed

    def on_outputs(self, result: Any) -> Any:
        """The outputs, whose gradients come to the hooks first."""
        outputs = result if isinstance(result, tuple) else (result,)
        if not all(isinstance(output, Tensor) for output in outputs):
            raise RuntimeError("hooks on gradients need a module whose result is a Tensor or a tuple of "
                               f"Tensors; {type(self._module).__name__} returned {type(result).__name__}")
        passed = self._pass(outputs, self._outputs_arrived)
        if passed is None:
            return result
        return passed if isinstance(result, tuple) else passed[0]

    def _pass(self, values: tuple, arrived: Callable[[tuple], tuple]) -> tuple | None:
        places = [n for n, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
        if not places:
            return None
        inputs = [values[n] for n in places]
        dtypes = [tensor.dtype for tensor in inputs]

        def backward(*dys: Tensor | None) -> list:
            gradients: list = [None] * len(values)
            for n, dy in zip(places, dys):
                gradients[n] = dy
            changed = arrived(tuple(gradients))
            return [None if changed[n] is None else changed[n].to(dtype=dtype)
                    for n, dtype in zip(places, dtypes)]
        tensors = step("a backward hook", [tensor.array for tensor in inputs], inputs, backward)
        new = list(values)
        for n, tensor in zip(places, tensors):
            new[n] = tensor
        return tuple(new)

    def _outputs_arrived(self, gradients: tuple) -> tuple:
        for hook in self._before:
            gradients = self._changed(gradients, hook(self._module, gradients))
        self._at_outputs = gradients
        if not self._waiting:  # no input requires a gradient
            for hook in self._after:
                if hook(self._module, (None,) * self._inputs, gradients) is not None:
                    raise RuntimeError(f"a backward hook of {type(self._module).__name__} returned gradients "
                                       "of inputs, but no input requires one")
        return gradients

    def _inputs_arrived(self, gradients: tuple) -> tuple:
        for hook in self._after:
            gradients = self._changed(gradients, hook(self._module, gradients, self._at_outputs))
        return gradients

    def _changed(self, gradients: tuple, changed: Any) -> tuple:
        if changed is None:
            return gradients
        changed = changed if isinstance(changed, tuple) else (changed,)
        if len(changed) != len(gradients):
            raise RuntimeError(f"a backward hook of {type(self._module).__name__} got {len(gradients)} "
                               f"gradients and returned {len(changed)}")
        return changed
