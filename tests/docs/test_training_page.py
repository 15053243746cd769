"""docs/training.md: every example runs as it stands, and every command and name of the page exists."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

import cnnkit
from cnnkit.cli import run
from cnnkit.evaluation import contracts
from cnnkit.models import registry
from cnnkit.train import callbacks

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_kinds", registry._kinds.copy())  # the page registers a class
    yield
    cnnkit.use(None)


@pytest.mark.heavy
def test_the_examples_give_what_the_page_says():
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(), {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 23
    for n, block in enumerate(blocks):
        example = parser.get_doctest(block, names, f"training.md, example {n + 1}", "docs/training.md", 0)
        runner.run(example, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0


def test_every_callback_is_on_the_page():
    for name in set(callbacks.__all__) - {"Callback"}:
        assert f"`{name}`" in PAGE


def test_every_contract_of_losses_and_loaders_is_on_the_page():
    protocols = [name for name in contracts.__all__ if isinstance(getattr(contracts, name), type)]
    assert len(protocols) == 8
    for name in protocols:
        assert f"`{name}`" in PAGE, name


def test_the_commands_are_there(capsys):
    lines = [shlex.split(line.split(">")[0]) for line in PAGE.splitlines() if line.startswith("    cnnkit ")]
    assert len(lines) >= 15
    for words in lines:
        assert run([words[1], "--help"]) == 0
        text = capsys.readouterr().out
        for word in words:
            assert not word.startswith("--") or word in text
