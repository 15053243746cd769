"""docs/architecture.md: short, in the order of the layering, and true of the call that it draws."""

import re
from pathlib import Path

from test_layering import ORDER

import cnnkit
from cnnkit import nn

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)


def test_the_page_has_at_most_1500_words():
    assert len(PAGE.split()) <= 1500


def test_the_packages_stand_in_the_order_that_the_tests_enforce():
    rows = re.findall(r"^\| `(\w+)` \|", PROSE, re.MULTILINE)
    assert rows == [name for name in ORDER if name != "__main__"]


def test_every_file_that_the_page_names_exists():
    names = set(re.findall(r"`((?:\w+/)+\w+\.py)`", PROSE))
    assert len(names) > 8
    assert [name for name in names if not any((ROOT / at / name).is_file() for at in (".", "cnnkit"))] == []


def test_the_call_that_is_drawn_runs_as_one_kernel():
    model = eval(re.search(r"`model\(x\)` for `([^`]+)`", PROSE).group(1), {"nn": nn})
    with cnnkit.use("numpy"):
        row, = cnnkit.explain(model, cnnkit.tensor([[[[0.5] * 8] * 8]])).rows
    assert row.ops == ("conv", "relu", "max_pool")
    for name in row.ops:
        assert f"apply(ops.{name}, " in PAGE
