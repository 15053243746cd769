"""How notebooks show a module: its layers as a tree that folds, with the numbers of their parameters."""

from __future__ import annotations

from html import escape
from typing import Any

__all__: list[str] = []  # no layer

OPEN = 2  # levels that are unfolded


def html_of(module: Any, name: str = "", level: int = 0) -> str:
    """The text of ``_repr_html_``."""
    count = sum(p.numel() for p in module.parameters())
    label = f"{name + ': ' if name else ''}<b>{escape(type(module).__name__)}</b>"
    size = f" <small>{count:,} parameters</small>" if count else ""
    children = [*module.named_children()]
    if not children:
        return f"<div>{label}({escape(module.extra_repr())}){size}</div>"
    inner = "".join(html_of(child, escape(child_name), level + 1) for child_name, child in children)
    unfolded = " open" if level < OPEN else ""
    return (f'<details{unfolded}><summary>{label}{size}</summary>'
            f'<div style="margin-left:1.5em">{inner}</div></details>')
