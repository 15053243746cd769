"""The pages have a place for every script's tables, filled by the command that it names or empty."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE, GUIDE = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("results.md", "guide.md"))
SCRIPTS = [path.stem for path in (ROOT / "examples").glob("*.py")
           if re.search(r"\btables\.Report\(|\bpublished\(", path.read_text(encoding="utf-8"))]
HEADINGS = [line.lstrip("# ").lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("#")]


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "published"])
def test_a_page_has_a_place_for_the_scripts_tables(script):
    (text,) = re.findall(rf"<!-- {script} -->\n(.*?)\n<!-- /{script} -->", PAGE + GUIDE, re.DOTALL)
    last = text.splitlines()[-1]
    ran = (rf"`python examples/{script}\.py .*--write.*`, \d{{4}}-\d\d-\d\d, seeds 0, 1, 2(, 3, 4)?, "
           r"[\d,]+ s on \d+ threads?\.")
    assert re.fullmatch(rf"Not yet run: `python examples/{script}\.py --write`|{ran}", last), last


def test_links_to_the_page_name_its_headings():
    links = re.findall(r"\(results\.md#([\w-]+)\)", GUIDE)
    assert len(links) > 8
    assert set(links) <= set(HEADINGS)
