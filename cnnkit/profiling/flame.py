"""A flame graph as SVG: phases, layers and ops, each box as wide as its share of the time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from cnnkit.inspection.timing import Event

__all__ = ["flame_graph"]

HEIGHT = 20    # of a row, in pixels
LETTER = 6.5   # width of a letter
LEAST = 0.4    # narrower boxes are left out
HUES = {"forward": 205, "backward": 25, "update": 130, "other": 280}


@dataclass
class Box:
    """A part of the time, with its own parts."""

    seconds: float = 0.0
    parts: dict[str, Box] = field(default_factory=dict)


def stack_of(event: Event) -> list[str]:
    """Phase, the modules from the outermost in, and the op.

    >>> stack_of(Event("forward", "conv+relu", "features.conv1+features.relu1", "cpu", "k", "", 0, 1, 0, None,
    ...                None))
    ['forward', 'features', 'conv1+relu1', 'conv+relu (cpu)']
    """
    paths = [path.split(".") for path in event.layer.split("+")] if event.layer else [[]]
    shared: list[str] = []
    while all(len(path) > len(shared) + 1 for path in paths) and len({p[len(shared)] for p in paths}) == 1:
        shared.append(paths[0][len(shared)])
    rest = "+".join(".".join(path[len(shared):]) for path in paths)
    return [event.phase, *shared, *([rest] if rest else []), f"{event.name} ({event.table})"]


def flame_graph(events: Iterable[Event], seconds: float, width: int = 900) -> str:
    """An ``<svg>`` element; a box says its time where the pointer rests on it."""
    root = Box(seconds)
    for event in events:
        box = root
        for name in stack_of(event):
            box = box.parts.setdefault(name, Box())
            box.seconds += event.seconds
    root.seconds = max(seconds, sum(box.seconds for box in root.parts.values()), 1e-12)
    rest = root.seconds - sum(box.seconds for box in root.parts.values())
    root.parts["Python and the rest"] = Box(rest)
    lines: list[str] = []
    depth = _draw(root, root.seconds, width, 0.0, 0, "", lines)
    total = (depth + 1) * HEIGHT
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" width="{width}" '
        f'height="{total}" font-family="sans-serif" font-size="11" role="img" '
        f'aria-label="flame graph: time by phase, layer and op">', *lines, "</svg>"])


def _draw(box: Box, whole: float, width: int, left: float, depth: int, phase: str, lines: list[str]) -> int:
    """Draw a box's parts, and theirs, the longest first; how deep they go."""
    deepest = depth
    for name, part in sorted(box.parts.items(), key=lambda item: -item[1].seconds):
        wide = width * part.seconds / whole
        if wide < LEAST:
            continue
        kind = phase or name
        color = f"hsl({HUES[kind]} 65% {74 - 4 * min(depth, 5)}%)" if kind in HUES else "#c8c8c8"
        title = f"{name}: {1e3 * part.seconds:.3f} ms, {100 * part.seconds / whole:.1f} %"
        letters = int((wide - 6) / LETTER)
        shown = name if len(name) <= letters else f"{name[:letters - 1]}…" if letters > 2 else ""
        y = depth * HEIGHT
        text = f'<text x="{left + 3:.1f}" y="{y + 14}" fill="#111">{escape(shown)}</text>' if shown else ""
        lines.append(f'<g><title>{escape(title)}</title><rect x="{left:.1f}" y="{y}" width="{wide:.1f}" '
                     f'height="{HEIGHT - 1}" fill="{color}"/>{text}</g>')
        deepest = max(deepest, _draw(part, whole, width, left, depth + 1, kind, lines))
        left += wide
    return deepest
