"""Drawings as inline SVG: line charts, calibration, and a network's graph. Colours are the page's own.

Everything that comes from outside is escaped. The classes ``s1`` ... ``s6`` are the colours of series.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

__all__ = ["Box", "Line", "chart", "graph", "reliability", "short"]

COLOURS = 6
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 34  # around the plotted area, in pixels
ROW, BOX_WIDTH, BOX_HEIGHT, GAP = 58, 220, 38, 16  # of a graph


class Line(NamedTuple):
    """A series of a chart; ``nan`` breaks the line. Series of one `colour` belong together."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    dashed: bool = False


class Box(NamedTuple):
    """A node of a graph: two lines of text, and the positions of the boxes before it."""

    title: str
    text: str
    inputs: tuple[int, ...] = ()


def chart(lines: Sequence[Line], label: str, *, x_label: str = "epoch", width: int = 460,
          height: int = 230) -> str:
    """A line chart with axes and a legend.

    >>> chart([Line("loss", [(1, 2.0), (2, 1.0)])], "loss").count("<polyline")
    1
    """
    points = [p for line in lines for p in line.points if math.isfinite(p[1])]
    if not points:
        return ""
    x_ticks = ticks(min(p[0] for p in points), max(p[0] for p in points), whole=True)
    y_ticks = ticks(min(p[1] for p in points), max(p[1] for p in points))

    def x(value: float) -> float:
        return LEFT + (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (width - LEFT - RIGHT)

    def y(value: float) -> float:
        return height - BOTTOM - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (height - TOP - BOTTOM)

    parts = _axes(x_ticks, y_ticks, x, y, width, height)
    parts.append(_text(width - RIGHT, height - 4, x_label, "end"))
    for line in lines:
        style = f"s{line.colour % COLOURS + 1}{' dashed' if line.dashed else ''}"
        for run in _unbroken(line.points):
            if len(run) == 1:
                (a, b), = run
                parts.append(f'<circle class="{style}" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>')
            else:
                path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in run)
                parts.append(f'<polyline class="{style}" points="{path}"/>')
    legend = "".join(f'<span class="s{line.colour % COLOURS + 1}{" dashed" if line.dashed else ""}">'
                     f'<i></i>{escape(line.name)}</span>' for line in lines)
    return (f'<figure class="chart"><figcaption>{escape(label)} <span class="legend">{legend}</span>'
            f"</figcaption>{_svg(width, height, parts, label)}</figure>")


def reliability(bins: Sequence[tuple[float, float, int]], *, size: int = 260) -> str:
    """How often answers of each confidence are right: bars; the diagonal is where confidence is honest.

    Parameters
    ----------
    bins : sequence of (confidence, accuracy, images)
        Means of the answers of each bin.
    """
    inner = size - LEFT - RIGHT

    def x(value: float) -> float:
        return LEFT + value * inner

    def y(value: float) -> float:
        return TOP + (1 - value) * inner

    scale = [0.0, 0.25, 0.5, 0.75, 1.0]
    parts = _axes(scale, scale, x, y, size, size - LEFT - RIGHT + TOP + BOTTOM)
    wide = inner / max(len(bins), 1) - 2
    for n, (confidence, accuracy, images) in enumerate(bins):
        if images:
            parts.append(f'<rect class="bar" x="{x(n / len(bins)) + 1:.1f}" y="{y(accuracy):.1f}" '
                         f'width="{wide:.1f}" height="{max(accuracy * inner, 0.5):.1f}">'
                         f"<title>{images} answers of confidence {confidence:.2f}: {accuracy:.2f} are right"
                         "</title></rect>")
    parts.append(f'<line class="ideal" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>')
    height = size - LEFT - RIGHT + TOP + BOTTOM
    parts.append(_text(size - RIGHT, height - 4, "confidence", "end"))
    return _svg(size, height, parts, "accuracy by confidence")


def graph(boxes: Sequence[Box]) -> str:
    """A network's layers from the top down, with a line from each to those that take its output.

    >>> graph([Box("image", "(1, 8, 8)"), Box("conv", "(8, 8, 8)", (0,))]).count("<path")
    1
    """
    depth: list[int] = []
    for box in boxes:
        depth.append(1 + max((depth[n] for n in box.inputs), default=-1))
    rows: dict[int, list[int]] = {}
    for n, level in enumerate(depth):
        rows.setdefault(level, []).append(n)
    widest = max(map(len, rows.values()), default=1)
    width = widest * (BOX_WIDTH + GAP) + 2 * GAP
    height = len(rows) * ROW
    place = {n: (width / 2 + (column - (len(row) - 1) / 2) * (BOX_WIDTH + GAP), level * ROW + 4)
             for level, row in rows.items() for column, n in enumerate(row)}
    parts = []
    for n, box in enumerate(boxes):
        for other in box.inputs:
            (x0, y0), (x1, y1) = place[other], place[n]
            y0 += BOX_HEIGHT
            past = depth[n] - depth[other] > 1  # around the boxes between
            bend = BOX_WIDTH / 2 + GAP if past and abs(x0 - x1) < 1 else 0
            parts.append(f'<path class="edge" d="M{x0:.0f},{y0:.0f} C{x0 + 1.3 * bend:.0f},{y0 + 18:.0f} '
                         f'{x1 + 1.3 * bend:.0f},{y1 - 18:.0f} {x1:.0f},{y1:.0f}"/>')
    for n, box in enumerate(boxes):
        x, y = place[n]
        parts.append(f'<rect class="box" x="{x - BOX_WIDTH / 2:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" '
                     f'height="{BOX_HEIGHT}" rx="5"/>')
        parts.append(_text(x, y + 16, box.title, "middle", "title"))
        parts.append(_text(x, y + 31, box.text, "middle"))
    return _svg(width, height, parts, "the network's layers")


def ticks(low: float, high: float, whole: bool = False, count: int = 5) -> list[float]:
    """Round numbers that reach from `low` or below to `high` or above.

    >>> ticks(0.03, 0.94), ticks(1, 3, whole=True)
    ([0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0], [1.0, 2.0, 3.0])
    >>> ticks(0.001, 0.001)[-1]
    0.002
    """
    if high <= low and whole:
        high = low + 1
    elif high <= low:
        low, high = min(0.0, 2 * low), max(2 * low, 0.0) or 1.0
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * (1 - 1e-9))
    step = max(1.0, math.ceil(step)) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


def short(value: float) -> str:
    """A number for an axis: at most four digits.

    >>> short(0.6000000000000001), short(12000.0), short(1e-05)
    ('0.6', '12000', '1e-05')
    """
    return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"


def _axes(x_ticks: Sequence[float], y_ticks: Sequence[float], x: Callable[[float], float],
          y: Callable[[float], float], width: int, height: int) -> list[str]:
    parts = []
    for tick in y_ticks:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{width - RIGHT}" y1="{y(tick):.1f}" '
                     f'y2="{y(tick):.1f}"/>')
        parts.append(_text(LEFT - 6, y(tick) + 4, short(tick), "end"))
    for tick in x_ticks:
        parts.append(_text(x(tick), height - BOTTOM + 16, short(tick), "middle"))
    return parts


def _unbroken(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, parts: Sequence[str], label: str) -> str:
    return (f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" '
            f'aria-label="{escape(label)}">{"".join(parts)}</svg>')
