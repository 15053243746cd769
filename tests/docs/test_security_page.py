"""SECURITY.md says what the code does."""

import re
from pathlib import Path

from cnnkit.storage import FormatError, limits

PAGE = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")


def test_every_limit_is_in_the_table_with_its_default():
    rows = dict(re.findall(r"^\| `(CNNKIT_LIMIT_\w+)` \|.*\| ([\d,]+) \|$", PAGE, re.MULTILINE))
    assert rows == {limits.variable(name): f"{value:,}" for name, value in limits.LIMITS.items()}
    assert f"{limits.EXPANSION} times the file" in PAGE


def test_the_error_has_its_name():
    assert f"`cnnkit.storage.{FormatError.__name__}`" in PAGE
