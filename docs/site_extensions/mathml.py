"""Formulas as MathML, which browsers draw themselves: no script and no font from elsewhere."""

from __future__ import annotations

from latex2mathml.converter import convert


def visit_math(self, node) -> None:
    """A formula within a line."""
    self.body.append(convert(node.astext(), display="inline"))


def visit_displaymath(self, node) -> None:
    """A formula on a line of its own."""
    self.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')


def depart(self, node) -> None:
    """Nothing: the formula is whole already."""


def setup(app) -> dict:
    """Sphinx's entry."""
    app.add_html_math_renderer("mathml", (visit_math, depart), (visit_displaymath, depart))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
