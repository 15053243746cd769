"""Steps of the tape that are no op: given results, with a function for their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.function import Function
from cnnkit.autograd.value import Value

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["step"]


def step(name: str, arrays: Sequence[Any], inputs: Sequence[Tensor],
         backward: Callable[..., Sequence[Any]]) -> tuple[Tensor, ...]:
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

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0], requires_grad=True)
    >>> y, = step("double", [x.array + x.array], [x], lambda dy: (dy * 2,))
    >>> y.backward()
    >>> x.grad
    tensor([2.])
    """
    class Step(Function):
        @staticmethod
        def forward(ctx: Any, *_: Tensor) -> tuple:
            ctx.set_materialize_grads(False)
            return tuple(Value.result(array) for array in arrays)

        @staticmethod
        def backward(ctx: Any, *dys: Tensor | None) -> tuple:
            return tuple(backward(*dys))
    Step.__name__ = name
    return Step.apply(*inputs)
