"""Distances between rows."""

from __future__ import annotations

from cnnkit.autograd.functions import pdist

__all__ = ["pdist"]
