"""Names of variables, arguments and functions say what they stand for: none is a verb or a pronoun alone."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RIDDLES = {"asked", "each", "own", "there", "these", "won"}
# a word that is not in the middle of a sentence
IN_CODE = re.compile(rf"\b({'|'.join(RIDDLES)})\b\s*([^\w\s]|in\b|for\b|$)", re.MULTILINE)
# in C++ and CUDA: what is no code, and any use of such a word in the rest
NO_CODE = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)
IN_CPP = re.compile(rf"\b({'|'.join(RIDDLES)})\b")
CPP = {".cpp", ".cu", ".cuh", ".h", ".inc"}
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


def riddles_in_cpp(source):
    """The names of `RIDDLES` in the code of a file in C++ or CUDA, with their lines."""
    code = NO_CODE.sub(lambda found: "\n" * found[0].count("\n"), source)
    for number, line in enumerate(code.split("\n"), 1):
        for name in IN_CPP.findall(line):
            yield f"line {number}: {name}"


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


@pytest.mark.parametrize("source", ["float* own = room;", "for (auto& each : all)", "long done, asked;",
                                    "/* these\n*/ int there;", "f('\"', won, \"\");"])
def test_a_riddle_in_cpp_is_seen(source):
    assert len([*riddles_in_cpp(source)]) == 1


def test_words_in_comments_and_texts_of_cpp_are_no_names():
    assert [*riddles_in_cpp('// each\nfail("there is \\"own\\""); /* these\nwon */ owner;')] == []


def test_no_name_in_cpp_or_cuda_is_a_riddle():
    paths = [path for path in (ROOT / "backends").rglob("*") if path.suffix in CPP]
    found = {str(path.relative_to(ROOT)): [*riddles_in_cpp(path.read_text(encoding="utf-8"))]
             for path in paths}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}
