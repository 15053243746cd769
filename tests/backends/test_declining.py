"""Every kernel that ships says why it declines a call: `cnnkit.explain` shows the reason."""

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "backends"
FILES = [path for name in ("cnnkit_cpu", "cnnkit_cupy", "cnnkit_numpy") for path in sorted((PLUGINS / name).rglob("*.py"))]


def compared(tree):
    """The names that stand in a comparison: ``result is NotImplemented`` declines nothing."""
    return {id(part) for node in ast.walk(tree) if isinstance(node, ast.Compare) for part in (node.left, *node.comparators)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_no_kernel_declines_without_a_reason(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [node.lineno for node in ast.walk(tree)
            if isinstance(node, ast.Name) and node.id == "NotImplemented" and id(node) not in compared(tree)]
    assert bare == [], f"{path.name} returns NotImplemented where it should return decline(reason)"


def declines():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "decline":
                yield path, node


@pytest.mark.parametrize(("path", "call"), [pytest.param(path, call, id=f"{path.parent.name}/{path.stem}:{call.lineno}")
                                            for path, call in declines()])
def test_every_reason_has_words(path, call):
    (reason,) = call.args
    texts = [part.value for part in ast.walk(reason) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    named = [part for part in ast.walk(reason) if isinstance(part, ast.Name)]  # a constant or a function beside the kernel
    assert any(len(text.strip()) > 3 for text in texts) or named
