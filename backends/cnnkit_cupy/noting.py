"""Where a device finds who is told of this thread's launches and memory: ``local.noting``, if anybody."""

from __future__ import annotations

import threading

__all__ = ["local"]

local = threading.local()
