"""Mermaid's sequence diagrams as SVG, drawn while the site is built: the pages need no script and no network.

Participants, and messages between them, are what these pages use; another line, or another kind of diagram,
ends the build. GitHub draws the same text by itself.
"""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

COLUMN, ROW, HEAD = 128, 34, 44  # pixels: between participants, between messages, and the names' height
LETTER = 7.3  # width of a letter
PARTICIPANT = re.compile(r"participant (\w+)(?: as (.+))?")
MESSAGE = re.compile(r"(\w+)(-?->>)(\w+): (.+)")


class Message(NamedTuple):
    """A line from one participant to another; an answer is dashed."""

    sender: str
    receiver: str
    text: str
    answer: bool


def parsed(text: str) -> tuple[dict[str, str], list[Message]]:
    """Participants, by name what stands above their lines, and the messages in their order."""
    first, *lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if first != "sequenceDiagram":
        raise ExtensionError(f"Mermaid: only sequence diagrams are drawn; got {first!r}")
    names: dict[str, str] = {}
    messages = []
    for line in lines:
        if match := PARTICIPANT.fullmatch(line):
            names[match[1]] = match[2] or match[1]
        elif match := MESSAGE.fullmatch(line):
            for name in (match[1], match[3]):
                names.setdefault(name, name)
            messages.append(Message(match[1], match[3], match[4], match[2] == "-->>"))
        else:
            raise ExtensionError(f"Mermaid: a line of a sequence diagram that is not drawn: {line!r}")
    return names, messages


def drawn(text: str) -> str:
    """The diagram as an SVG element; its colours are the page's, so that it is dark where the page is."""
    names, messages = parsed(text)
    place = {name: COLUMN * (n + 0.5) for n, name in enumerate(names)}
    spans = [(min(place[m.sender], place[m.receiver]) + 8, LETTER * len(m.text)) for m in messages]
    width = max([COLUMN * len(names), *(left + length for left, length in spans)])
    height = HEAD + ROW * (len(messages) + 0.5)
    parts = ['<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
             'markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z"/></marker></defs>']
    for name, label in names.items():
        x = place[name]
        left = x - COLUMN / 2 + 4
        parts.append(f'<line class="life" x1="{x}" x2="{x}" y1="{HEAD - 10}" y2="{height:.0f}"/>'
                     f'<rect x="{left}" y="4" width="{COLUMN - 8}" height="{HEAD - 14}" rx="5"/>'
                     f'<text class="name" x="{x}" y="{HEAD / 2 + 1:.0f}">{escape(label)}</text>')
    for n, (message, (left, _)) in enumerate(zip(messages, spans)):
        y = HEAD + ROW * (n + 0.8)
        dashed = ' class="answer"' if message.answer else ""
        ends = f'x1="{place[message.sender]}" x2="{place[message.receiver]}" y1="{y:.0f}" y2="{y:.0f}"'
        parts.append(f'<line{dashed} {ends} marker-end="url(#arrow)"/>'
                     f'<text x="{left}" y="{y - 5:.0f}">{escape(message.text)}</text>')
    label = f"sequence diagram: {', '.join(names.values())}"
    return (f'<div class="sequence"><svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'role="img" aria-label="{escape(label)}">{"".join(parts)}</svg></div>')


class Draw(SphinxTransform):
    """Puts the drawing where the block of text is."""

    default_priority = 400

    def apply(self, **kwargs: object) -> None:
        """Replace the page's blocks of Mermaid."""
        for block in list(self.document.findall(nodes.literal_block)):
            if block.get("language") == "mermaid":
                block.replace_self(nodes.raw("", drawn(block.astext()), format="html"))


def setup(app) -> dict:
    """Sphinx's entry."""
    app.add_transform(Draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
