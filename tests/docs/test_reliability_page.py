"""Every row of docs/reliability.md says what happens and what is promised, and names tests that exist."""

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
HEAD = ("fault", "what happens", "what is promised", "shown by")
FAULTS = ("killed", "power cut", "full disk", "I/O error", "damaged", "hostile", "two runs", "planted",
          "symlink", "FIFO", "bomb", "threads", "fork", "Ctrl-C", "SIGTERM", "closed pipe", "exception",
          "changed at resume", "becomes shorter", "number of threads", "integers")


def rows(text):
    """The cells of every line of every table."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]


ROWS = [row for row in rows(PAGE) if row != HEAD]


@functools.cache
def defined_in(path):
    file = TESTS / path
    return {node.name for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef)} if file.is_file() else set()


def missing(cell):
    """The tests of a cell that do not exist; everything else in it is not there either."""
    named = cell.strip("`").split("`, `")
    return [name for name in named if name.partition("::")[2] not in defined_in(name.partition("::")[0])]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_every_row_names_tests_that_exist(row):
    assert len(row) == len(HEAD)
    assert all(row)
    assert missing(row[-1]) == []


def test_every_kind_of_fault_has_a_row():
    faults = " ".join(row[0] for row in ROWS)
    assert [fault for fault in FAULTS if fault.lower() not in faults.lower()] == []


def test_every_table_has_the_same_columns():
    assert rows(PAGE).count(HEAD) == len(re.findall(r"^\|---\|---\|---\|---\|$", PAGE, re.MULTILINE)) >= 5


@pytest.mark.parametrize("cell", ["`docs/test_reliability_page.py::test_nothing`",
                                  "`docs/gone.py::test_nothing`", "seen by eye", ""])
def test_a_test_that_does_not_exist_is_found(cell):
    assert missing(cell)
    assert not missing("`docs/test_reliability_page.py::test_a_test_that_does_not_exist_is_found`")
