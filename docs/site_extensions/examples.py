"""The scripts of ``examples`` as sphinx-gallery wants them: a title above what the first docstring says.

Their docstrings are what ``--help`` prints, so they begin with a sentence. Its part before the colon becomes
the title here.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COPIES = Path(__file__).resolve().parents[1] / "_examples"
HEADER = """Gallery
=======

Short scripts, each for a task of its own; ``python examples/NAME.py`` runs one. Those that need no data from
elsewhere have run while this page was made, and show what they printed.
"""


def titled(source: str) -> str:
    """A script whose docstring begins with a title."""
    doc = ast.get_docstring(ast.parse(source), clean=False)
    sentence, _, rest = doc.partition("\n\n")
    title, colon, more = " ".join(sentence.split()).partition(": ")
    title = title.removesuffix(".")
    text = f"{more[:1].upper()}{more[1:]}\n\n" if colon else ""
    rest = re.sub(r"^    python ", "::\n\n    python ", rest, count=1, flags=re.MULTILINE)
    rest = re.sub(r"(?<!`)`([^`\n]+)`(?!`)", r"``\1``", rest)  # names of the script's own
    return source.replace(doc, f"{title}\n{'=' * len(title)}\n\n{text}{rest}", 1)


def write_scripts(app, config) -> None:
    """Write the copies, where they differ from what lies there: those with a command of their own."""
    COPIES.mkdir(exist_ok=True)
    texts = {path.name: titled(text) for path in sorted(EXAMPLES.glob("*.py"))
             if f"python examples/{path.name}" in (text := path.read_text(encoding="utf-8"))}
    for name, text in {**texts, "GALLERY_HEADER.rst": HEADER}.items():
        copy = COPIES / name
        if not copy.exists() or copy.read_text(encoding="utf-8") != text:
            copy.write_text(text, encoding="utf-8")


def setup(app) -> dict:
    """Sphinx's entry."""
    app.connect("config-inited", write_scripts, priority=100)  # before sphinx-gallery reads them
    return {"parallel_read_safe": True}
