"""EMA: a running average of a model's weights, which often does better than the last ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cnnkit.autograd import Tensor, no_grad
from cnnkit.nn import Module
from cnnkit.ops.dtypes import narrow, widen
from cnnkit.ops.update import state_dtype
from cnnkit.train.tree import copied_like

__all__ = ["EMA"]


class EMA:
    """The exponential moving average of the parameters that are trained.

    At each update, average = decay * average + (1 - decay) * parameter. It begins with the weights after the
    first update, as ``torch.optim.swa_utils.AveragedModel`` does; buffers such as batch norm's statistics are
    not averaged. The averages of float16 and bfloat16 parameters are float32, and rounded where the model
    gets them.

    Parameters
    ----------
    model : Module
        The model whose parameters are averaged.
    decay : float
        Between 0 and 1: how much of the average is kept at each update.
    parameters : iterable of (str, Tensor), optional
        What is averaged in place of all of the model's parameters. Frozen ones are left out.

    >>> from cnnkit import no_grad, nn
    >>> model = nn.Linear(1, 1, bias=False)
    >>> ema = EMA(model, decay=0.5)
    >>> for value in (1.0, 2.0):
    ...     with no_grad():
    ...         _ = model.weight.fill_(value)
    ...     ema.update()
    >>> with ema.swapped():
    ...     model.weight.item()
    1.5
    >>> model.weight.item()
    2.0
    """

    parameters: dict[str, Tensor]

    def __init__(self, model: Module, decay: float, parameters: Iterable[tuple[str, Tensor]] | None = None):
        if not 0 <= decay < 1:
            raise ValueError("ema, the part of the average that is kept, "
                             f"must be at least 0 and below 1; got {decay}")
        self.decay = decay
        self.parameters = dict(model.named_parameters() if parameters is None else parameters)
        self.average: dict[str, Any] = {}
        self._current: dict[str, Any] = {}  # the weights, while the model has the averages

    def update(self) -> None:
        """Add the parameters as they are now to the averages."""
        for name, parameter in self.parameters.items():
            if not parameter.requires_grad:
                continue
            average = self.average.get(name)
            if average is None:  # a copy: an optimizer's kernel may write into the parameter
                self.average[name] = widen(copied_like(parameter, parameter))
            else:
                self.average[name] = average + (widen(parameter.array) - average) * (1 - self.decay)

    def write(self) -> None:
        """Give the model the averages for good."""
        with no_grad():
            for name, average in self.average.items():
                parameter = self.parameters[name]
                parameter.replace_(narrow(average, parameter.array.dtype))

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The model has the averages until the block's end."""
        if self._current:  # in such a block already
            yield
            return
        self._current = {name: self.parameters[name].array for name in self.average}
        try:
            self.write()
            yield
        finally:
            self.put_back()

    def put_back(self) -> None:
        """End a block of `swapped` that an interrupt left without its end; elsewhere this does nothing."""
        with no_grad():
            for name, array in self._current.items():
                self.parameters[name].replace_(array)
        self._current = {}

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by name."""
        return {name: Tensor(array) for name, array in self.average.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from these averages."""
        self.average = {}
        for name, value in state.items():
            parameter = self.parameters[name]
            self.average[name] = copied_like(value, parameter, state_dtype(parameter.dtype))
