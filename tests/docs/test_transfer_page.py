"""docs/transfer.md: every example runs as it stands; its table and its command are those that there are."""

import doctest
import re
import shlex
from pathlib import Path

from cnnkit.cli import run
from cnnkit.models import weights

PAGE = (Path(__file__).parents[2] / "docs" / "transfer.md").read_text(encoding="utf-8")


def test_the_examples_give_what_the_page_says():
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(), {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 5
    for n, block in enumerate(blocks):
        example = parser.get_doctest(block, names, f"transfer.md, example {n + 1}", "docs/transfer.md", 0)
        runner.run(example, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0


def test_the_table_has_every_entry():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|.*\| (?:([\w-]+), .*)?\|$", PAGE, re.MULTILINE)
    entries = [(row.name, row.architecture) for row in weights.list()]
    assert [(name, model) for name, model, _ in rows] == entries
    for name, _, licence in rows:
        assert licence in ("", weights.get(name).licence)


def test_the_command_is_there(capsys):
    line, = (shlex.split(line) for line in PAGE.splitlines() if line.startswith("    cnnkit "))
    assert run([line[1], "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in line if word.startswith("--"))
