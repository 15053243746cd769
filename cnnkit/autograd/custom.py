"""Steps of the tape that are no op: given results, with a function for their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.tape import run_backward
from cnnkit.autograd.value import Value
from cnnkit.ops.core import Op

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["backward_from", "step"]


def step(name: str, arrays: Sequence, inputs: Sequence[Tensor],
         backward: Callable[..., Sequence]) -> tuple[Tensor, ...]:
    """Tensors of these arrays, which the tape takes for results of the inputs.

    Parameters
    ----------
    name : str
        What errors call the step.
    arrays : sequence of array
        The results.
    inputs : sequence of Tensor
        What they were made of.
    backward : callable
        Takes the results' gradients, Tensors or ``None``, and returns the inputs' likewise.

    Raises
    ------
    RuntimeError
        In backward, for a second derivative.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0], requires_grad=True)
    >>> y, = step("double", [x.array + x.array], [x], lambda dy: (dy * 2,))
    >>> y.backward()
    >>> x.grad
    tensor([2.])
    """
    given = list(arrays)

    def function(*_: Any, needs: Sequence[bool]) -> tuple:
        if not given:
            raise RuntimeError(f"{name} has no second derivatives")
        outputs = tuple(given)
        given.clear()

        def on_arrays(*dys: Any) -> tuple:
            gradients = backward(*(None if dy is None else Value.result(dy) for dy in dys))
            return tuple(None if g is None else g.array for g in gradients)
        return outputs if len(outputs) > 1 else outputs[0], on_arrays
    function.__name__ = name
    results = apply(Op(function, None, len(given), len(given), {}, saves={}), *inputs)
    return results if isinstance(results, tuple) else (results,)


def backward_from(tensors: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Walk back from several Tensors at once, so that what they share is walked once.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0], requires_grad=True)
    >>> backward_from([x * 2, x * 3], [cnnkit.ones(1), None])
    >>> x.grad
    tensor([2.])
    """
    pairs = [(t, g) for t, g in zip(tensors, gradients) if g is not None and t.requires_grad]
    if pairs:
        joined, = step("backward", [pairs[0][1].array], [t for t, _ in pairs],
                       lambda _: [g for _, g in pairs])
        source = joined._source
        if source is not None:
            run_backward(*source, pairs[0][1].array, False)
