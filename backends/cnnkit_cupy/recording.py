"""What a recorded step reads from the device at each replay: settings of updates, and keys of dropout.

A CUDA graph launches with the numbers that it was recorded with. So within `Recording.recorded` the kernels
that depend on such numbers get the address of a slot in place of them, and write where they read: a replay
finds nothing that it wrote elsewhere. See `cnnkit_cupy.graphs`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnkit_cupy.launcher import Kernel, SteadyLaunch, declare
from cnnkit_cupy.parameters import Numbers, Out

__all__ = ["Recording", "current"]

Array = Any
WORDS = 256  # of 4 bytes, for all slots of a step; a launch passes them

declare(Kernel("settings", "set_words", (Out("uint32"), Numbers("uint32", WORDS)), block=(WORDS, 1, 1),
               launch_bounds=(WORDS,)), ops=("sgd", "adam", "dropout"))
_local = threading.local()


def current() -> Recording | None:
    """The recording of this thread, if it is recording or replaying a step."""
    return getattr(_local, "recording", None)


class Recording:
    """The slots of one step, and what they hold on the host and on the device.

    Parameters
    ----------
    device : cnnkit_cupy.contracts.Device
    like : array
        An array on the GPU where the step runs.
    """

    def __init__(self, device: Any, like: Array):
        self.slots = device.empty((WORDS,), "uint32", like)
        self.words = np.zeros(WORDS, np.uint32)
        self.sent: np.ndarray | None = None
        self.used = 0
        # each dropout's slot, and its key when recorded; each update's slot, and its arrays by identity
        self.keys: list[tuple[slice, tuple[int, int]]] = []
        self.updates: list[tuple[slice, tuple[int, ...]]] = []
        self.replaying = False
        self._next = 0
        self._send = SteadyLaunch(device, "set_words", (1, 1, 1), self.words)

    @contextmanager
    def recorded(self, replaying: bool = False) -> Iterator[None]:
        """Within the block, kernels of this thread use slots; replayed updates give their numbers alone."""
        before = current()
        _local.recording, self.replaying, self._next = self, replaying, 0
        try:
            yield
        finally:
            _local.recording = before

    def _slot(self, count: int) -> slice:
        end = self.used + -(-count // 4) * 4
        if end > WORDS:
            raise RuntimeError(f"the step has more than {WORDS} words of settings and keys, which a launch "
                               "cannot pass: record a smaller part of it")
        slot, self.used = slice(self.used, self.used + count), end
        return slot

    def key(self, key: tuple[int, int]) -> Array:
        """The slot of a dropout's key."""
        slot = self._slot(2)
        self.keys.append((slot, (key[0], key[1])))
        self.words[slot] = key
        return self.slots[slot]

    def set_keys(self, keys: Sequence[tuple[int, int]]) -> None:
        """Other keys for the dropouts, in the order in which they were recorded."""
        for (slot, _), key in zip(self.keys, keys, strict=True):
            self.words[slot] = key

    def update(self, packed: np.ndarray, arrays: Sequence[Array]) -> Array | None:
        """The slot of an update's settings; ``None`` where it is replayed, and the graph launches it.

        Raises
        ------
        RuntimeError
            If the arrays are not those that were recorded.
        """
        words, identities = packed.view(np.uint32), tuple(map(id, arrays))
        if self.replaying:
            slot, known = self.updates[self._next] if self._next < len(self.updates) else (None, None)
            self._next += 1
            if identities != known:
                raise RuntimeError("a parameter, its gradient or its state is another array than the "
                                   "recorded one, which the replay would go on to use; record the step anew")
            self.words[slot] = words
            return None
        slot = self._slot(words.size)
        self.updates.append((slot, identities))
        self.words[slot] = words
        return self.slots[slot]

    def send(self) -> None:
        """Bring what has changed to the device, with a launch."""
        if self.sent is None or not np.array_equal(self.sent, self.words):
            self._send.revalue(self.words)
            self._send(self.slots)
            self.sent = self.words.copy()
