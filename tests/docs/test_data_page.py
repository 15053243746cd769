"""docs/data.md: every example runs as it stands, and every command and name of the page exists."""

import doctest
import re
import shlex
from pathlib import Path

from cnnkit import data
from cnnkit.cli import run
from cnnkit.data import datasets

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_examples_give_what_the_page_says():
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(), {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 6
    for n, block in enumerate(blocks):
        example = parser.get_doctest(block, names, f"data.md, example {n + 1}", "docs/data.md", 0)
        runner.run(example, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0


def test_every_dataset_is_on_the_page():
    for name in {*datasets.__all__, *data.SOURCES} - {"read_cifar"}:
        assert re.search(rf'[`."]{name}[`"]', PAGE), name


def test_every_contract_of_data_is_on_the_page():
    for name in data.contracts.__all__:
        assert f"| `{name}` |" in PAGE, name


def test_the_commands_are_there(capsys):
    lines = [shlex.split(line) for line in PAGE.splitlines() if line.startswith("    cnnkit ")]
    assert len(lines) == 4
    for words in lines:
        assert run([words[1], "--help"]) == 0
        text = capsys.readouterr().out
        for word in words:
            assert not word.startswith("--") or word in text
