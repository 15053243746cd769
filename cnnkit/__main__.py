"""The command line, ``python -m cnnkit`` or ``cnnkit``; from its first moment Ctrl-C is one line."""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit."""
    # not so in a shell's background job, which Ctrl-C is not meant for
    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if listens:
        signal.signal(signal.SIGINT, _interrupted)  # an import that an exception ends could hide it
    from cnnkit import cli

    try:
        if listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            cli.main()
        finally:
            if listens:
                signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own end would show a traceback
    except KeyboardInterrupt:
        _interrupted()


def _interrupted(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    os.write(2, b"cnnkit: interrupted\n")
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
