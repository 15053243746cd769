"""backends/cnnkit_cpu/README.md: its examples and walk-through work, its excerpts and files exist."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cnnkit_cpu.ladder import __main__ as ladder
from cnnkit_cpu.ladder import building

FOLDER = Path(__file__).parents[3] / "backends" / "cnnkit_cpu"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
STEPS = sorted(FOLDER.glob("ladder/[0-9]*.cpp"))


def blocks(language):
    """The fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_examples_give_what_the_page_says():
    runner, names = doctest.DocTestRunner(), {}
    assert len(blocks("python")) == 2
    for block in blocks("python"):
        example = doctest.DocTestParser().get_doctest(block, names, "README.md", "README.md", 0)
        runner.run(example, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0


def test_every_excerpt_is_in_the_file_of_its_step():
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)
    excerpts = {section[:6]: re.findall(r"```cpp\n(.*?)```", section, re.DOTALL) for section in sections}
    assert len(blocks("cpp")) == 3
    for number, step in enumerate(STEPS, 1):
        excerpt, = excerpts[f"Step {number}"]
        assert excerpt in step.read_text(encoding="utf-8")


def test_the_tables_have_the_rows_of_the_command():
    rows = re.findall(r"^\| `(\S+)` \|", PAGE, re.MULTILINE)
    assert rows == [*(step.name for step in STEPS), ladder.SHIPPED] * len(ladder.SHAPES)
    for shape in ladder.SHAPES:
        assert f"| {shape} | {ladder.COLUMNS[1]} | {ladder.COLUMNS[2]} | {ladder.COLUMNS[3]} |" in PAGE


def test_every_file_that_the_page_names_exists():
    paths = set(re.findall(r"`([\w/]+\.(?:h|cpp|py))`", PAGE)) - {"4_mine.cpp", "cnnkit/data/pixels.py"}
    assert len(paths) > 20
    for name in paths:
        assert (FOLDER / name).exists() or (FOLDER / "ladder" / name).exists(), name
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (FOLDER / link).exists()


@pytest.mark.skipif(building.compiler() is None, reason="there is no C++ compiler")
@pytest.mark.heavy
def test_the_walk_through_finds_the_mistake_and_times_the_new_step(tmp_path):
    script, = blocks("bash")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "found\n" in result.stdout
    assert result.stderr.startswith("2_flat.cpp gives ")
    assert result.stdout.count("4_mine.cpp") == len(ladder.SHAPES)
