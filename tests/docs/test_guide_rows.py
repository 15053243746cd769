"""Every row of docs/guide.md names things of cnnkit that exist, and tests that exist."""

import ast
import functools
import importlib.util
import re
from pathlib import Path

import pytest

import cnnkit

# None without scikit-learn; a folder of tests named sklearn is a package without origin
scikit_learn = getattr(importlib.util.find_spec("sklearn"), "origin", None)
TESTS = Path(__file__).parent.parent
PAGE, _ = (TESTS.parent / "docs" / "guide.md").read_text(encoding="utf-8").split(
    "## Objects of several sizes")


def rows(text):
    """The cells of every line of every table."""
    lines = [line for line in text.splitlines()
             if line.startswith("| ") and line.split(" | ")[1:2] != ["cnnkit"]]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


TABLE, CORRECTIONS = (rows(part) for part in PAGE.split("## Where the guide is wrong"))
every_row = pytest.mark.parametrize("row", TABLE + CORRECTIONS, ids=lambda row: row[0][:60])


def names(cell):
    """Backticked names that begin with one of cnnkit's; arguments such as (`stride`) do not."""
    return [n for n in re.findall(r"(?<!\()`([A-Za-z_][\w.]*)`", cell)
            if n.split(".")[0] in (*cnnkit.__all__, "sklearn")]


def resolve(name):
    value = cnnkit
    for part in name.split("."):
        value = (getattr(value, part) if hasattr(value, part)
                 else importlib.import_module(f"{value.__name__}.{part}"))
    return value


@functools.cache
def defined_in(path):
    return {node.name for node in ast.parse((TESTS / path).read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)}


@every_row
def test_every_row_names_what_exists(row):
    _, entry, tests = row
    for name in names(entry):
        if not name.startswith("sklearn.") or scikit_learn is not None:
            resolve(name)
    ids = re.findall(r"`(\S+\.py)::(\w+)`", tests)
    for path, test in ids:
        assert test in defined_in(path), f"{path} has no {test}"
    assert tests == ", ".join(f"`{path}::{test}`" for path, test in ids)
    assert ids


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0][:60])
def test_every_row_of_the_guide_has_a_name(row):
    assert names(row[1])


def test_no_row_of_the_guide_is_lost():
    headings = [row[0] for row in TABLE if row[0].startswith("**#")]
    assert len(headings) == len(set(headings)) == 41  # as many as the guide has outside its listings
    assert len(TABLE) == 190
    assert all(len(row) == 3 for row in TABLE + CORRECTIONS)


def test_a_row_that_names_nothing_is_noticed():
    with pytest.raises(ModuleNotFoundError):
        resolve("models.ResNeXt")
    assert names("`models.CNN` (`conv`), `shapes.solve`") == ["models.CNN", "shapes.solve"]
    assert "test_nothing" not in defined_in("docs/test_guide_rows.py")
