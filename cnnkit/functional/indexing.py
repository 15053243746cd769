"""Look-ups by position, with scatter-add as their gradient: the functions of Tensors by the same names."""

from __future__ import annotations

from cnnkit.autograd.functions import gather, index_select, take_along_dim

__all__ = ["gather", "index_select", "take_along_dim"]
