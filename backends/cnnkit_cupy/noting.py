"""Where a device finds who is told of this thread's launches and memory: ``local.noting``, if anybody."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["local"]


class _Local(threading.local):
    """A thread's own; what is not set is found in the class, without an error inside that costs time."""

    noting: Any = None


local = _Local()
