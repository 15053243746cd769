"""backends/cnnkit_cupy/README.md: its examples run, excerpts and counts are true, the walk-through works."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cnnkit_cupy.ladder import __main__ as ladder
from cnnkit_cupy.ladder import measuring, steps

from cnnkit import backends

FOLDER = Path(__file__).parents[3] / "backends" / "cnnkit_cupy"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


def blocks(language):
    """The fenced blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_examples_give_what_the_page_says():
    runner = doctest.DocTestRunner()
    example, = blocks("python")
    runner.run(doctest.DocTestParser().get_doctest(example, {}, "README.md", "README.md", 0))
    assert runner.summarize(verbose=False).failed == 0


def test_every_excerpt_is_in_the_file_of_its_step():
    sections = re.split(r"^### ", PAGE, flags=re.MULTILINE)
    excerpts = {section[:6]: re.findall(r"```cuda\n(.*?)```", section, re.DOTALL) for section in sections}
    assert len(blocks("cuda")) == 3
    for number in (1, 2, 3):
        excerpt, = excerpts[f"Step {number}"]
        assert excerpt in (steps.FOLDER / steps.FILES[number - 1]).read_text(encoding="utf-8")


def test_the_tables_have_the_counts_of_the_command():
    for shape in ladder.SHAPES:
        read, written = measuring.least(shape)
        title = f"{shape}; at least {read} sectors read and {written} written"
        assert f"| {title} | {' | '.join(ladder.COUNTED[1:-1])} |" in PAGE
        with steps.declared():
            counts = measuring.counts(backends.get("emulator"), shape)
        printed = ladder.counted(shape, counts, dict.fromkeys(steps.STEPS, 0.0))
        rows = re.findall(r"^\| `(.+?)` \| (.+) \|$", PAGE.partition(f"| {title} |")[2], re.MULTILINE)
        counted = list(zip(*(column.cells for column in printed.columns)))
        for (name, *cells, _), (excerpts, figures) in zip(counted, rows):
            assert excerpts == name
            for cell, figure in zip(cells, figures.split(" | "), strict=True):  # compilers differ a little
                assert figure == cell or float(figure) == pytest.approx(float(cell), rel=0.1)


def test_every_file_that_the_page_names_exists():
    paths = set(re.findall(r"`(\w+\.(?:cu|cuh|py))`", PAGE))
    exists = {path.name for path in FOLDER.rglob("*")}
    assert len(paths) > 15
    assert paths <= exists
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (FOLDER / link).exists()


@pytest.mark.heavy
def test_the_walk_through_finds_the_missing_barrier_and_shows_what_the_order_of_threads_costs(tmp_path):
    script, = blocks("bash")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    result = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "found\n" in result.stdout
    assert result.stderr.startswith("2_tiled.cu gives ")
    conflicts = re.findall(r"2_tiled\.cu +│ \d+ +│ \d+ +│ \d+ +│ (\d\.\d+)", result.stdout)
    assert [float(factor) > 1.2 for factor in conflicts] == [True, True]
