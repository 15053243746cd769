"""Ctrl-C during training: the first asks the loop to stop after the batch, a second interrupts at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["Interrupt"]


class Interrupt:
    """A context manager; ``stopped`` says whether Ctrl-C was pressed inside it.

    Only the main thread receives signals: in any other it does nothing.
    """

    stopped = False

    def __enter__(self) -> Interrupt:
        self._main_thread = threading.current_thread() is threading.main_thread()
        if self._main_thread:
            self._previous_handler: Any = signal.getsignal(signal.SIGINT)
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            raise KeyboardInterrupt
        self.stopped = True

    def __exit__(self, *exc: object) -> None:
        if self._main_thread:
            signal.signal(signal.SIGINT, self._previous_handler)
