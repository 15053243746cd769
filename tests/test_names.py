"""Names of variables, arguments and functions say what they stand for: none is a verb or a pronoun alone."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RIDDLES = {"asked", "each", "own", "there", "these", "won"}
# a word that is not in the middle of a sentence
IN_CODE = re.compile(rf"\b({'|'.join(RIDDLES)})\b\s*([^\w\s]|in\b|for\b|$)", re.MULTILINE)
FOLDERS = [*(ROOT / "cnnkit").iterdir(), *(ROOT / "backends").iterdir(), ROOT / "examples"]


def riddles(source):
    """The names of `RIDDLES` that a file gives to something, with their lines."""
    for node in ast.walk(ast.parse(source)) if IN_CODE.search(source) else ():
        name = (node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                else node.arg if isinstance(node, ast.arg)
                else node.name if isinstance(node, ast.FunctionDef | ast.ClassDef)
                else node.attr if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) else "")
        if name in RIDDLES:
            yield f"line {node.lineno}: {name}"


@pytest.mark.parametrize("source", ["own = 1", "def f(each): pass", "def asked(): pass", "x.own = 1",
                                    "[there for there in x]", "if (these := x): pass", "for won in x: pass"])
def test_a_riddle_is_seen(source):
    assert len([*riddles(source)]) == 1


def test_words_in_comments_keys_and_uses_are_no_names():
    assert [*riddles("# each of these\nx = {'own': there}")] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f.stem)
def test_no_name_is_a_riddle(folder):
    paths = folder.rglob("*.py") if folder.is_dir() else [folder] * (folder.suffix == ".py")
    found = {str(path.relative_to(ROOT)): [*riddles(path.read_text(encoding="utf-8"))]
             for path in paths}
    assert {path: names for path, names in found.items() if names} == {}
