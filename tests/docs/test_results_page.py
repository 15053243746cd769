"""docs/results.md has a place for the tables of every script, filled by the command that it names, or
not yet run.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
SCRIPTS = [path.stem for path in (ROOT / "examples").glob("*.py")
           if re.search(r"\btables\.Report\(|\bpublished\(", path.read_text(encoding="utf-8"))]
HEADINGS = [line.lstrip("# ").lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("#")]


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "published"])
def test_the_page_has_a_place_for_the_scripts_tables(script):
    (text,) = re.findall(rf"<!-- {script} -->\n(.*?)\n<!-- /{script} -->", PAGE, re.DOTALL)
    last = text.splitlines()[-1]
    ran = (rf"`python examples/{script}\.py .*--write.*`, \d{{4}}-\d\d-\d\d, seeds 0, 1, 2, "
           r"[\d,]+ s on \d+ threads?\.")
    assert re.fullmatch(rf"Not yet run: `python examples/{script}\.py --write`|{ran}", last), last


def test_links_to_the_page_name_its_headings():
    links = re.findall(r"\(results\.md#([\w-]+)\)", (ROOT / "docs" / "guide.md").read_text(encoding="utf-8"))
    assert len(links) > 8
    assert set(links) <= set(HEADINGS)
