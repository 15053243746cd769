"""A training's curves as drawings: loss, accuracy and learning rate, of several runs over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnkit.plot.svg import Line, chart

__all__ = ["STYLE", "curves"]

FIGURES = (("loss", "val_loss", "Loss"), ("accuracy", "val_accuracy", "Accuracy"),
           ("lr", "", "Learning rate"))

# for drawings outside of the report's page, such as in a notebook
STYLE = """<style>.cnnkit svg { font: 11px sans-serif; } .cnnkit svg text { fill: currentColor; }
.cnnkit { display: flex; flex-wrap: wrap; gap: 1em; } .cnnkit figure { margin: 0; }
.cnnkit .grid { stroke: #8884; } .cnnkit polyline { fill: none; stroke-width: 2; }
.cnnkit polyline.dashed { stroke-dasharray: 5 4; } .cnnkit .s1 { stroke: #4a86d0; color: #4a86d0; }
.cnnkit .s2 { stroke: #d0702a; color: #d0702a; } .cnnkit .legend span { margin-left: .8em; }</style>"""


def curves(runs: Sequence[tuple[str, Sequence[Mapping[str, Any]]]]) -> list[str]:
    """Charts of loss, accuracy and learning rate; a colour for each run, dashes for held-out figures.

    Parameters
    ----------
    runs : sequence of (name, rows)
        Rows as `History.as_dicts` gives them. Charts without figures are left out.

    >>> len(curves([("run", [{"epoch": 1, "loss": 2.0, "val_loss": 2.5}])]))
    1
    """
    charts = []
    for learnt, held_out, label in FIGURES:
        lines = []
        for colour, (run, rows) in enumerate(runs):
            prefix = f"{run}: " if len(runs) > 1 else ""
            for name, what, dashed in ((learnt, "training", False), (held_out, "held out", True)):
                points = [(row["epoch"], row[name]) for row in rows if name and row.get(name) is not None]
                if points:
                    text = f"{prefix}{what if held_out else label.lower()}"
                    lines.append(Line(text, points, colour, dashed))
        charts.append(chart(lines, label))
    return [text for text in charts if text]
