"""A training step as a CUDA graph: one launch replays all its kernels, and no Python of the step runs.

Small networks are bound by what their launches cost the host; a graph costs one, however many kernels it has.
What changes from step to step is read from the device (`cnnkit_cupy.recording`): learning rate and step
number of SGD and Adam, and the keys of dropout, so that a replayed step trains as an eager one, to the bit.
Parameters and running statistics are written in place.

`cnnkit.capture` is how a user captures a step; this is what one graph of everything takes, update and all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cnnkit import random
from cnnkit.autograd.counting import count
from cnnkit_cupy.contracts import cuda_of
from cnnkit_cupy.recording import Recording

__all__ = ["RecordedStep", "record"]

SERVED = ("sgd", "adam")


def record(step: Callable[[], Any], model: Any, optimizer: Any) -> RecordedStep:
    """A training step that is replayed as a CUDA graph from its third call on.

    Each call is one step: gradients are forgotten, `step` computes the loss and calls ``backward()``, and the
    optimizer updates. The first call runs as ever, the second is recorded. `step` is not called again, so it
    reads its batch from arrays that stay; write the next one there (``x.array[...] = images``). What it
    returns has the values of the latest call.

    Parameters
    ----------
    step : callable
        Forward and backward on CuPy, without a value that is read on the host (``item()``). It draws no
        random numbers but dropout's.
    model : Module
    optimizer : SGD, Adam or AdamW
        Learning rates and other settings may change between calls, by hand or by a schedule.

    Raises
    ------
    RuntimeError, TypeError
        The call raises them: for a step that cannot be recorded, and where a parameter has been given another
        array since (``load_state_dict``).

    Examples
    --------
    >>> train = record(step, model, optimizer)                                          # doctest: +SKIP
    >>> for images, labels in batches:                                                  # doctest: +SKIP
    ...     x.array[...], y.array[...] = images, labels
    ...     loss = train()
    """
    return RecordedStep(step, model, optimizer)


class RecordedStep:
    """See `record`.

    A call that is interrupted may have counted a step (the optimizer's, dropout's) that the device does not
    make; never one twice.
    """

    def __init__(self, step: Callable[[], Any], model: Any, optimizer: Any):
        import cupy

        name = getattr(optimizer.update, "name", None)
        if name not in SERVED:
            raise TypeError(f"{type(optimizer).__name__} makes new parameters at every step, and a replay "
                            "would not find them; SGD, Adam and AdamW are recorded")
        if not isinstance(array := next(iter(model.parameters())).array, cupy.ndarray):
            raise TypeError(f"the model is on {type(array).__module__.split('.')[0]}: move it with "
                            "Module.to('cupy')")
        self.step, self.model, self.optimizer = step, model, optimizer
        self.calls, self._result = 0, None
        self._graph: Any = None
        self._cupy, self._like = cupy, array
        with array.device:
            self._stream = cupy.cuda.Stream(non_blocking=True)
        self._pool = cupy.cuda.MemoryPool()  # nobody else gets the memory that the graph works in

    def __call__(self) -> Any:
        with self._like.device:
            if self._graph is not None:
                self._replay()
            else:
                with self._aside():
                    self.optimizer.zero_grad()
                    if self.calls == 0:
                        self._result = self.step()
                        self.optimizer.step()
                    else:
                        self._record()
                if self._graph is not None:
                    self._launch()
        self.calls += 1
        return self._result

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Within the block the stream and the memory are the recording's own; streams wait for each other."""
        outer = self._cupy.cuda.get_current_stream()
        self._stream.wait_event(outer.record())
        with self._stream, self._cupy.cuda.using_allocator(self._pool.malloc):
            yield
        outer.wait_event(self._stream.record())

    def _record(self) -> None:
        """Capture the step; nothing of it runs."""
        self.recording = Recording(cuda_of(self._like), self._like)
        before, generator = self._arrays(), random.get_state()
        counted = {name: _pending(buffer) for name, buffer in self.model.named_buffers()}
        self._stream.begin_capture()
        try:
            with self.recording.recorded():
                self._result = self.step()
                self.optimizer.step()
        finally:
            graph = self._stream.end_capture()
        if moved := [name for name, array in self._arrays().items() if array is not before.get(name)]:
            raise RuntimeError(f"the step gives {moved[0]} another array, where a replay would not find it; "
                               "only SGD's and Adam's updates of float32 and 16-bit parameters, and batch "
                               "norm's statistics, are written in place")
        self._check_keys(generator)
        self._counts = [(buffer, _pending(buffer) - counted[name])
                        for name, buffer in self.model.named_buffers() if _pending(buffer) != counted[name]]
        self._known = [(name, tensor, tensor.array)
                       for name, tensor in self._tensors() if not _pending(tensor)]
        self._graph = graph

    def _check_keys(self, before: dict[str, int]) -> None:
        """Raise an error unless dropout's keys are those that the generator gave, one after the other."""
        after = random.get_state()
        random.set_state(before)
        drawn = [random.next_key() for _ in self.recording.keys]
        if drawn != [key for _, key in self.recording.keys] or random.get_state() != after:
            random.set_state(after)
            raise RuntimeError("the step draws keys from cnnkit.random for something else than dropout, or "
                               "dropout's from elsewhere, which a replay cannot repeat")

    def _arrays(self) -> dict[str, Any]:
        """The arrays of parameters and buffers; none of a counter that has not been read."""
        return {name: tensor.array for name, tensor in self._tensors() if not _pending(tensor)}

    def _tensors(self) -> list[tuple[str, Any]]:
        return [*self.model.named_parameters(), *self.model.named_buffers()]

    def _replay(self) -> None:
        for name, tensor, array in self._known:
            if tensor.array is not array:
                raise RuntimeError(f"{name} was given another array since the step was recorded, and the "
                                   "replay would go on with the old one; record the step anew")
        self.recording.set_keys([random.next_key() for _ in self.recording.keys])
        with self.recording.recorded(replaying=True):
            self.optimizer.step()
        for buffer, added in self._counts:
            count(buffer, added)
        self._launch()

    def _launch(self) -> None:
        """All kernels of the step, on the current stream, behind the numbers that they read."""
        self.recording.send()
        self._graph.launch(self._cupy.cuda.get_current_stream())


def _pending(tensor: Any) -> int:
    """What a counter will add once it is read."""
    return getattr(tensor._link, "added", 0)
