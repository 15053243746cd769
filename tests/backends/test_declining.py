"""Every kernel that ships says why it declines a call: `cnnkit.explain` shows the reason."""

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[2] / "backends"
FILES = [path for name in ("cnnkit_cpu", "cnnkit_cupy", "cnnkit_numpy")
         for path in sorted((PLUGINS / name).rglob("*.py"))]


def nodes(path, kind):
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kind)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_no_kernel_declines_without_a_reason(path):
    compared = sum(isinstance(part, ast.Name) and part.id == "NotImplemented"
                   for node in nodes(path, ast.Compare) for part in (node.left, *node.comparators))
    named = [node.lineno for node in nodes(path, ast.Name) if node.id == "NotImplemented"]
    assert len(named) == compared, f"{path.name}, lines {named}: return decline(reason)"


DECLINES = [pytest.param(call, id=f"{path.parent.name}/{path.stem}:{call.lineno}")
            for path in FILES for call in nodes(path, ast.Call)
            if isinstance(call.func, ast.Name) and call.func.id == "decline"]


@pytest.mark.parametrize("call", DECLINES)
def test_every_reason_has_words(call):
    (reason,) = call.args
    elsewhere = not isinstance(reason, ast.Constant | ast.JoinedStr)  # a name, or what a function returns
    texts = [part.value for part in ast.walk(reason) if isinstance(part, ast.Constant)]
    assert elsewhere or any(isinstance(text, str) and len(text) > 3 for text in texts)
