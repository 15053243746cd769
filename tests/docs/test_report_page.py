"""docs/report.md: its examples run as they stand, and its commands have the options that they are given."""

import doctest
import re
import shlex
from pathlib import Path

import cnnkit
from cnnkit.cli import run

PAGE = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")


def test_the_examples_give_what_the_page_says():
    example = doctest.DocTestParser().get_doctest(PAGE, {}, "report.md", "docs/report.md", 0)
    assert len(example.examples) == 9
    runner = doctest.DocTestRunner()
    runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def test_the_commands_are_there(capsys):
    lines = [shlex.split(line) for line in PAGE.splitlines() if line.startswith("    cnnkit ")]
    options = {command: [word for line in lines if line[1] == command for word in line]
               for command in ("report", "show", "explain")}
    for command, line in options.items():
        assert run([command, "--help"]) == 0
        shown = capsys.readouterr().out
        assert [word for word in line if word.startswith("-") and word not in shown] == []


def test_the_functions_are_there():
    names = re.findall(r"cnnkit\.(plot|report|attribution)\.(\w+)", PAGE)
    assert len(names) == 4
    assert all(hasattr(getattr(cnnkit, package), name) for package, name in names)
