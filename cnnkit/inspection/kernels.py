"""`explain`: which kernel of which table serves each call of a model, and why others declined."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cnnkit import nn, random
from cnnkit.autograd import Tensor, enable_grad
from cnnkit.autograd.keeping import kept
from cnnkit.backends import backend_of, current
from cnnkit.foreign import is_array
from cnnkit.inspection.explanation import Explanation, KernelCall
from cnnkit.inspection.machine import Roofline, roofline
from cnnkit.inspection.timing import Timer
from cnnkit.inspection.watching import Recorder

__all__ = ["explain"]


ROUNDS = 5  # how often `analyze` runs the model, after once


def explain(model: nn.Module, *inputs: Any, backward: bool = False, analyze: bool = False) -> Explanation:
    """Run a model once, and say of each call which kernel served it, alone or fused, and why others declined.

    The model runs as it stands, in training or evaluation mode, under the tables that `use` and `tables`
    chose, and with its own forward hooks; a hook needs the computed output, so a chain of ops ends there.
    Afterwards parameters, gradients, buffers, the modules' attributes and the random generator are as before.

    Parameters
    ----------
    model : Module
    *inputs : Tensor or array
        What the model takes.
    backward : bool
        Go the way back too, from the sum of the results; the tape records then, also inside `no_grad`.
    analyze : bool
        Run the model some times more, and say of each call how long it took, and how near that is to what the
        machine can do.

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
    recorder = Recorder(model)
    first = next((value for value in map(_fresh, inputs) if isinstance(value, Tensor)), None)
    backend = current() if first is None else backend_of(first.array)
    with recorder.noting(backend):
        tensors = _run(model, inputs, backward, recorder)
    shapes = tuple(value.shape for value in tensors if isinstance(value, Tensor))
    if not analyze:
        return Explanation(type(model).__name__, shapes, tuple(recorder.rows))
    timers = [Timer(model) for _ in range(ROUNDS)]
    for timer in timers:
        _run(model, inputs, backward, timer)
    peak = roofline(backend)
    return Explanation(type(model).__name__, shapes, _timed(recorder.rows, timers, peak), peak)


def _run(model: nn.Module, inputs: Sequence[Any], backward: bool, recorder: Recorder) -> list[Any]:
    """Run the model once, and perhaps back, for a recorder; its inputs as Tensors."""
    tensors = [_fresh(value) for value in inputs]
    with _preserved(model):
        if backward:
            with enable_grad():
                with recorder.watching():
                    result = model(*tensors)
                _go_back(result)
        else:
            with recorder.watching():
                model(*tensors)
    return tensors


def _timed(rows: Sequence[KernelCall], timers: Sequence[Timer], peak: Roofline) -> tuple[KernelCall, ...]:
    """The rows with the median of their times in several runs."""
    runs = [[event for event in timer.events if event.phase in ("forward", "backward")] for timer in timers]
    timed = []
    for n, row in enumerate(rows):
        events = [run[n] for run in runs if len(run) == len(rows) and run[n].kernel == row.kernel]
        if not events:  # the model's code does something else each time
            timed.append(row)
            continue
        seconds = max(statistics.median(event.seconds for event in events), 1e-9)
        flops, nbytes = events[0].flops, events[0].bytes
        timed.append(replace(row, seconds=seconds, flops=flops, bytes=nbytes,
                             share=peak.share(seconds, flops or 0, nbytes) if flops or nbytes else None))
    return tuple(timed)


def _fresh(value: Any) -> Any:
    """An input as a Tensor of its own, without the tape and the gradient of the caller's."""
    if isinstance(value, Tensor):
        return Tensor(value.array, requires_grad=value.requires_grad)
    return Tensor(value) if is_array(value) else value


def _go_back(result: Any) -> None:
    outputs = result if isinstance(result, tuple | list) else (result,)
    tensors = [value for value in outputs if isinstance(value, Tensor)]
    if not tensors:
        raise TypeError("explain(backward=True) needs a model that returns a Tensor or a tuple of them; it "
                        f"returned a {type(result).__name__}")
    total = tensors[0].sum()
    for value in tensors[1:]:
        total = total + value.sum()
    total.backward()


@contextmanager
def _preserved(model: nn.Module) -> Iterator[None]:
    """Put the model and the random generator back, after the block, as they were before it."""
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
