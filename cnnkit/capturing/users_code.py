"""Which code is cnnkit's own, and which line of the user's is running."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType

__all__ = ["is_cnnkits", "line_of_user"]

PACKAGE = str(Path(__file__).parent.parent)


def is_cnnkits(code: CodeType) -> bool:
    """Whether code stands in a file of cnnkit."""
    return code.co_filename.startswith(PACKAGE)


def line_of_user() -> str:
    """File and line of the innermost frame outside of cnnkit."""
    frame = sys._getframe(1)
    while frame is not None and is_cnnkits(frame.f_code):
        frame = frame.f_back  # type: ignore[assignment]
    return "cnnkit" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
