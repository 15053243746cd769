"""docs/own-ops.md: every example runs as it stands."""

import doctest
import re
from pathlib import Path

import pytest

from cnnkit import backends
from cnnkit.backends.kernel import KERNEL_KINDS
from cnnkit.ops import OPS
from cnnkit.ops.unary import UNARY

PAGE = (Path(__file__).parents[2] / "docs" / "own-ops.md").read_text(encoding="utf-8")


@pytest.fixture
def clean_ops():
    """No op and no table of the page stays."""
    before = [(registry, dict(registry)) for registry in (OPS, UNARY, KERNEL_KINDS)]
    yield
    for registry, content in before:
        registry.clear()
        registry.update(content)
    backends.register_table(remove="mine")


def test_the_examples_give_what_the_page_says(clean_ops):
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(), {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 7
    for n, block in enumerate(blocks):
        example = parser.get_doctest(block, names, f"own-ops.md, example {n + 1}", "docs/own-ops.md", 0)
        runner.run(example, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0
