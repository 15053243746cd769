"""docs/models.md: every example runs as it stands; the table is checked in tests/models/test_catalogue.py."""

import doctest
import re
from pathlib import Path

import pytest

from cnnkit.models import catalogue, registry

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")


@pytest.fixture
def clean_registry(monkeypatch):
    """Registrations made by the page end with the test."""
    monkeypatch.setattr(registry, "_kinds", registry._kinds.copy())


def test_the_examples_give_what_the_page_says(clean_registry):
    parser, runner, names = doctest.DocTestParser(), doctest.DocTestRunner(), {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 5
    for n, block in enumerate(blocks):
        example = parser.get_doctest(block, names, f"models.md, example {n + 1}", "docs/models.md", 0)
        runner.run(example, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0


def test_every_size_is_that_of_the_images_which_the_network_was_published_for():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| [\d,]+ \|", PAGE, re.MULTILINE))
    sizes = {name: str(vars(registry.get(name))["input_shape"][1]) for name in catalogue.ARCHITECTURES}
    assert rows == sizes
