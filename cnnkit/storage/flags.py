"""Flags of `os.open` that not every operating system has."""

from __future__ import annotations

import os

__all__ = ["BINARY", "INHERIT_NOT", "NO_LINK", "NO_WAIT"]

BINARY = getattr(os, "O_BINARY", 0)  # Windows: bytes as they are
NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # fail on a symbolic link
NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # do not wait for the other end of a pipe
INHERIT_NOT = getattr(os, "O_CLOEXEC", 0)  # not open in a program that this one starts
