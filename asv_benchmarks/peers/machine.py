"""What a figure depends on: the processor, its instruction set, and what is installed."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

__all__ = ["describe"]


def describe(threads: int) -> dict[str, str | int]:
    """The machine's processor, instruction set, processors and Python, and the threads that are used."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    name = re.search(r"model name\s*: (.*)", text)
    flags = set((re.search(r"flags\s*: (.*)", text) or ["", ""])[1].split())
    isa = next((isa for isa, flag in (("AVX-512", "avx512f"), ("AVX2", "avx2")) if flag in flags), "baseline")
    return {"processor": name[1] if name else platform.processor() or platform.machine(),
            "instruction set": isa, "processors": os.cpu_count() or 1, "threads": threads,
            "system": platform.platform(), "python": platform.python_version()}
