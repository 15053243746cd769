"""`explain`: which kernel of which table serves each call of a model, and why others declined."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnnkit import nn, random
from cnnkit.autograd import Tensor, enable_grad
from cnnkit.autograd.keeping import kept
from cnnkit.foreign import is_array
from cnnkit.inspection.explanation import Explanation
from cnnkit.inspection.watching import Recorder

__all__ = ["explain"]


def explain(model: nn.Module, *inputs: Any, backward: bool = False) -> Explanation:
    """Run a model once, and say of each call which kernel served it, alone or fused, and why others declined.

    The model runs as it stands, in training or evaluation mode, under the tables that `use` and `tables`
    chose, and with its own forward hooks; what a hook sees is computed, so a chain of ops ends there. After
    it, parameters, gradients, buffers, the modules' attributes and the random generator are as they were.

    Parameters
    ----------
    model : Module
    *inputs : Tensor or array
        What the model takes.
    backward : bool
        Go the way back too, from the sum of the results; the tape records then, also inside `no_grad`.

    Returns
    -------
    Explanation
        Its ``rows`` are `KernelCall`; it prints as text.

    Raises
    ------
    TypeError
        If `model` is no Module, or with `backward`, if it returns no Tensor.
    RuntimeError
        With `backward`, if nothing requires a gradient.

    >>> import cnnkit
    >>> from cnnkit import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    >>> with cnnkit.use("numpy"):
    ...     print(cnnkit.explain(model, cnnkit.tensor([[1.0, 2.0, 3.0, 4.0]])))
    Sequential on (1, 4)
    <BLANKLINE>
    0
        linear: (1, 4) -> (1, 3), float32
        numpy: cnnkit_numpy.linear.linear
    <BLANKLINE>
    1
        tanh: (1, 3) -> (1, 3), float32
        numpy: cnnkit_numpy.activation.tanh
    <BLANKLINE>
    2 kernel calls: 2 by numpy; 0 fused
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"explain() needs an nn.Module; got {type(model).__name__}")
    given = [_fresh(value) for value in inputs]
    recorder = Recorder(model)
    with _kept(model):
        if backward:
            with enable_grad():
                with recorder.watching():
                    result = model(*given)
                _go_back(result)
        else:
            with recorder.watching():
                model(*given)
    shapes = tuple(value.shape for value in given if isinstance(value, Tensor))
    return Explanation(type(model).__name__, shapes, tuple(recorder.rows))


def _fresh(value: Any) -> Any:
    """An input without the tape and the gradient of the one that was given."""
    if isinstance(value, Tensor):
        return Tensor(value.array, requires_grad=value.requires_grad)
    return Tensor(value) if is_array(value) else value


def _go_back(result: Any) -> None:
    results = result if isinstance(result, tuple | list) else (result,)
    made = [value for value in results if isinstance(value, Tensor)]
    if not made:
        raise TypeError("explain(backward=True) needs a model that returns a Tensor or a tuple of them; it "
                        f"returned a {type(result).__name__}")
    total = made[0].sum()
    for value in made[1:]:
        total = total + value.sum()
    total.backward()


@contextmanager
def _kept(model: nn.Module) -> Iterator[None]:
    """Let the model and the random generator be after the block what they were before it."""
    attributes = [(module, dict(vars(module))) for module in model.modules()]
    state = random.get_state()
    try:
        with kept((*model.parameters(), *model.buffers())):
            yield
    finally:
        random.set_state(state)
        for module, before in attributes:
            vars(module).clear()
            vars(module).update(before)
