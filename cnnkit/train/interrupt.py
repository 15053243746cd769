"""Signals that end a run: the first asks the loop to stop after the update, a second one ends it at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, MethodType
from typing import Any, NoReturn

__all__ = ["Interrupt"]

# Ctrl-C; what systems and schedulers send before they kill; a terminal that is closed (not on Windows)
SIGNALS = [number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGHUP")]


class Interrupt:
    """A context manager in which signals are requests to stop; `signal` is the first that came.

    A second one raises KeyboardInterrupt (Ctrl-C) or SystemExit (others, with the status 128 + its number).
    Afterwards signals do what they did before. Only the main thread receives signals: in any other this does
    nothing. SIGTERM and SIGHUP are left to a handler of the program's own, and a signal that is ignored, as
    SIGHUP is under ``nohup``, stays ignored.

    Parameters
    ----------
    armed : bool
        ``False``: until `arm` is called, the first signal too ends everything at once.
    """

    def __init__(self, armed: bool = True):
        self.signal: signal.Signals | None = None
        self._armed = armed
        self._held, self._waiting = False, 0

    def __enter__(self) -> Interrupt:
        self._previous: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                handler = signal.getsignal(number)
                ours = isinstance(handler, MethodType) and isinstance(handler.__self__, Interrupt)
                if handler in (None, signal.SIG_IGN):
                    continue
                if number == signal.SIGINT or handler == signal.SIG_DFL or ours:
                    self._previous[number] = handler
                    signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @property
    def stopped(self) -> bool:
        """Whether a signal asked to stop."""
        return self.signal is not None

    @property
    def reason(self) -> str:
        """What asked to stop, as the end of a sentence."""
        return "by Ctrl-C" if self.signal in (None, signal.SIGINT) else f"by {self.signal.name}"

    @staticmethod
    def end(number: int | None) -> NoReturn:
        """Raise what a second signal of this number raises."""
        raise KeyboardInterrupt if number in (None, signal.SIGINT) else SystemExit(128 + number)

    def arm(self) -> None:
        """From now on the first signal is a request."""
        self._armed = True

    def hold(self) -> None:
        """Let a second signal wait for `release`; a third one does not."""
        self._held = True

    def release(self) -> None:
        """Raise what waited."""
        self._held = False
        if self._waiting:
            number, self._waiting = self._waiting, 0
            self.end(number)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._armed and self.signal is None:
            self.signal = signal.Signals(number)
        elif self._held and not self._waiting:
            self._waiting = number
        else:
            self.end(number)
