"""Standing: what a run is between two updates, so that one that an error ends midway leaves no trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnkit import random
from cnnkit.autograd.updating import arrays_of

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Standing", "attempt"]


def attempt(error: BaseException, hook: Callable[..., Any], *arguments: Any) -> None:
    """Call a callback's hook after an error, which another one must not hide: that becomes a note on it."""
    try:
        hook(*arguments)
    except Exception as another:
        error.add_note(f"Then {hook.__qualname__} raised {type(another).__name__}: {another}")


class Standing:
    """The values that an update changes before the optimizer's step, as they were between two updates.

    These are references, no copies: whatever changes a parameter or a buffer gives it a new array.
    """

    def __init__(self, run: Run):
        self._parameters = [value for _, value in run.named_parameters()]
        self._modules = [(vars(module), tuple(module._buffers)) for module in run.model.modules()
                         if module._buffers]
        self.take(run)

    def take(self, run: Run) -> None:
        """Note where the run stands now."""
        self._arrays: list[Any] | None = arrays_of(self._parameters)
        buffers = ((module, name, module.get(name)) for module, names in self._modules for name in names)
        self._buffers = [(module, name, value, None if value is None else value.array)
                         for module, name, value in buffers]
        self._random, self._tally = random.get_state(), run.tally.mark()
        self._open = True

    def leave(self) -> None:
        """Let go of the parameters' arrays: the optimizer's step, all or nothing, comes now."""
        self._arrays = None

    def close(self) -> None:
        """The update is done: until the next `take` there is nothing to put back."""
        self._open = False

    def settle(self, run: Run, error: BaseException) -> bool:
        """After an error: undo what is unfinished, finish what is done; whether the run can go on from there.

        What goes wrong here is a note on the error.
        """
        if run.ema is not None:
            run.ema.put_back()
        if run.whole:
            self.go_back(run)
        for callback in run.uncalled:
            attempt(error, callback, run)
        return run.whole

    def go_back(self, run: Run) -> None:
        """Put back what was changed since `take`."""
        if not self._open:
            return
        if self._arrays is not None:
            for parameter, array in zip(self._parameters, self._arrays):
                if parameter.array is not array:
                    parameter.rebind(array)
        for module, name, buffer, array in self._buffers:
            module[name] = buffer
            if buffer is not None and buffer.array is not array:
                buffer.rebind(array)
        random.set_state(self._random)
        run.tally.return_to(self._tally)
