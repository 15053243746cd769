"""Pages that stand elsewhere in the repository, and links as they are written for readers of the repository.

The README and its like become pages in ``docs/_pages`` when the site is built. Links of every page are
rewritten on the way: to a page of the site where the file is one, to a download where it is another file,
and to plain text where it is a folder.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {  # in the repository: on the site
    "README.md": "readme", "CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changelog",
    "SECURITY.md": "security",
    "backends/README.md": "backends", "backends/cnnkit_cpu/README.md": "cpu",
    "backends/cnnkit_cupy/README.md": "cuda", "backends/cnnkit_softcuda/README.md": "softcuda",
}
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^ *```.*?^ *```)", re.MULTILINE | re.DOTALL)


def rewrite(text: str, source: Path, page: Path) -> str:
    """The text of `source` with its links as `page`, which may lie in another folder, must have them."""
    def link(match: re.Match) -> str:
        mark, label, target = match.groups()
        name, hash_, heading = target.partition("#")
        if not name or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = (source.parent / name).resolve()
        if not path.exists() or not path.is_relative_to(ROOT):
            return match[0]  # the test of links says so
        if path.is_dir():
            return label
        inside = path.relative_to(ROOT).as_posix()
        if inside in PAGES:
            path = DOCS / "_pages" / f"{PAGES[inside]}.md"
        elif path.suffix == ".md" and path.parent != DOCS:
            return label
        return f"{mark}[{label}]({os.path.relpath(path, page.parent)}{hash_}{heading})"

    parts = FENCE.split(text)
    return "".join(part if n % 2 else LINK.sub(link, part) for n, part in enumerate(parts))


def write_pages(app, config) -> None:
    """Write the pages that come from outside ``docs``, where they differ from what lies there."""
    for inside, name in PAGES.items():
        source, page = ROOT / inside, DOCS / "_pages" / f"{name}.md"
        text = rewrite(source.read_text(encoding="utf-8"), source, page)
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def rewrite_page(app, name: str, content: list[str]) -> None:
    """Rewrite the links of a page in ``docs``."""
    page = DOCS / f"{name}.md"
    if page.is_file() and page.parent == DOCS:
        content[0] = rewrite(content[0], page, page)


def setup(app) -> dict:
    """Sphinx's entry."""
    app.connect("config-inited", write_pages)  # before Sphinx looks what pages there are
    app.connect("source-read", rewrite_page)
    return {"parallel_read_safe": True}
