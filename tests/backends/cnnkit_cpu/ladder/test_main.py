"""``python -m cnnkit_cpu.ladder``: its table, what it says of a wrong step, and without a compiler."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from cnnkit_cpu import library
from cnnkit_cpu.ladder import __main__ as ladder
from cnnkit_cpu.ladder import building
from cnnkit_cpu.ladder.measuring import Shape
from typer.testing import CliRunner

pytestmark = pytest.mark.heavy

compiled = pytest.mark.skipif(building.compiler() is None, reason="there is no C++ compiler")
STEPS = ["1_naive.cpp", "2_flat.cpp", "3_patch.cpp", "cnnkit_cpu"]


@pytest.fixture
def command(monkeypatch):
    """Runs the command on small shapes."""
    app = ladder.typer.Typer()
    app.command()(ladder.main)
    monkeypatch.setattr(ladder, "SHAPES", (Shape(2, 1, 8, 8, 3), Shape(1, 3, 6, 6, 5)))
    monkeypatch.setattr("cnnkit_cpu.ladder.measuring.LEAST", 1e-5)
    return lambda *words: CliRunner().invoke(app, ["--rounds", "2", *words])


@pytest.fixture
def copied(tmp_path):
    """A copy of the steps, to change one."""
    for source in ladder.FOLDER.glob("*.cpp"):
        shutil.copy(source, tmp_path)
    return tmp_path


def numbers(output):
    """The cells of the table's rows."""
    lines = [line for line in output.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│ ").split("│")] for line in lines]


@compiled
def test_the_table_has_every_step_and_the_shipped_kernel_for_every_shape(command):
    result = command()
    assert result.exit_code == 0, result.output
    assert f", {library.isa()}, one thread; " in result.output.splitlines()[0]
    assert "1x8x8 -> 3 filters, batch 2" in result.output
    assert "3x6x6 -> 5 filters, batch 1" in result.output
    assert [row[0] for row in numbers(result.output)] == STEPS * 2
    for _, _, ratio, total, difference in numbers(result.output):
        assert float(ratio) > 0
        assert float(total) > 0
        assert float(difference) <= 1e-5


@compiled
def test_the_ratio_is_that_to_the_step_before():
    printed = ladder.table("title", [("a", 8e-6, 0.0), ("b", 4e-6, 0.0), ("c", 1e-6, 1e-7)])
    cells = [list(column.cells) for column in printed.columns]
    assert cells == [["a", "b", "c"], ["8", "4", "1"], ["1.00", "2.00", "4.00"], ["1.00", "2.00", "8.00"],
                     ["0.0e+00", "0.0e+00", "1.0e-07"]]


@pytest.mark.heavy
@compiled
@pytest.mark.parametrize(("name", "line"), [("2_flat.cpp", "sum[k][v] += "),
                                            ("3_patch.cpp", "sum[k][a][1] += ")])
def test_a_changed_sign_in_a_step_is_found(command, copied, name, line):
    text = (copied / name).read_text(encoding="utf-8")
    assert text.count(line) == 1
    (copied / name).write_text(text.replace(line, line.replace("+", "-")), encoding="utf-8")
    result = command("--folder", str(copied))
    assert result.exit_code == 1
    message = rf"{name} gives \S+ at \(\d+, \d+, \d+, \d+\), and the naive loop "
    assert re.search(message, result.output), result.output


@compiled
def test_a_step_that_somebody_adds_is_built_checked_and_timed(command, copied):
    shutil.copy(copied / "3_patch.cpp", copied / "4_mine.cpp")
    result = command("--folder", str(copied), "--isa", "generic")
    assert result.exit_code == 0, result.output
    assert [row[0] for row in numbers(result.output)][:4] == [*STEPS[:3], "4_mine.cpp"]


@compiled
def test_the_library_serves_as_before_afterwards(command, two_threads):
    before = library.isa(), library.threads
    assert command("--isa", "generic").exit_code == 0
    assert (library.isa(), library.threads) == before


@compiled
def test_folders_without_steps_and_unknown_instruction_sets_are_refused(command, tmp_path):
    for words, message in ((("--folder", str(tmp_path)), "there is no step"),
                           (("--isa", "mmx"), "--isa mmx: there are")):
        result = command(*words)
        assert result.exit_code == 2
        assert message in " ".join(result.output.replace("│", " ").split())


def test_without_a_compiler_it_says_how_to_get_one():
    environment = {**os.environ, "CXX": "no-such-compiler"}
    result = subprocess.run([sys.executable, "-m", "cnnkit_cpu.ladder"], env=environment, capture_output=True,
                            text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.strip() == ladder.NO_COMPILER
    assert "apt-get install g++" in result.stderr
