"""``python -m cnnkit_cupy.ladder``: its tables on the emulator and on CuPy, and what it says of mistakes."""

import os
import subprocess
import sys

import pytest
from cnnkit_cupy.ladder import __main__ as ladder
from cnnkit_cupy.ladder.measuring import Shape
from cnnkit_cupy.launcher import KERNELS
from typer.testing import CliRunner

from cnnkit import backends

pytestmark = pytest.mark.heavy

STEPS = ["1_naive.cu", "2_tiled.cu", "3_fused.cu", "cnnkit_cupy"]


@pytest.fixture
def command(monkeypatch):
    """Runs the command on a small shape."""
    app = ladder.typer.Typer()
    app.command()(ladder.main)
    monkeypatch.setattr(ladder, "SHAPES", (Shape(1, 1, 8, 8, 4),))
    return lambda *words: CliRunner().invoke(app, words)


def numbers(output):
    """The cells of the table's rows."""
    lines = [line for line in output.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│ ").split("│")] for line in lines]


@pytest.mark.usefixtures("emulator")
def test_the_emulators_table_counts_every_step(command):
    result = command()
    assert result.exit_code == 0, result.output
    assert "1x8x8 -> 4 filters, batch 1; at least 14 sectors read and 8 written" in result.output
    assert "emulated on the CPU" in result.output
    rows = numbers(result.output)
    assert [row[0] for row in rows] == STEPS
    assert [row[1] for row in rows] == ["2", "2", "1", "1"]
    assert rows[0][4] == "–"
    assert all(float(cell) > 0 for row in rows for cell in (row[2], row[3], row[5]))
    assert all(float(row[6]) < 1e-5 for row in rows)


def test_on_cupy_every_step_is_timed_at_the_batch_that_is_named(command, cupy, launched_on, monkeypatch):
    ticks = iter((8e-6, 4e-6, 1e-6, 1e-6))

    def clock(function):
        function()
        return next(ticks)
    monkeypatch.setattr(ladder, "by_events", lambda cupy: clock)
    result = command("--backend", "cupy", "--batch", "3")
    assert result.exit_code == 0, result.output
    assert "1x8x8 -> 4 filters, batch 3" in result.output
    assert [row[:4] for row in numbers(result.output)] == [
        ["1_naive.cu", "8.0", "1.00", "1.0"], ["2_tiled.cu", "4.0", "2.00", "2.0"],
        ["3_fused.cu", "1.0", "4.00", "8.0"], ["cnnkit_cupy", "1.0", "1.00", "8.0"]]
    once = ["naive_conv2d", "relu_max_pool2d", "tiled_conv2d", "relu_max_pool2d",
            "fused_conv2d_relu_max_pool2d", "conv2d_relu_max_pool2d<float, 3>"]
    assert [name for name, _ in launched_on] == once * 2  # checked, then timed


@pytest.mark.usefixtures("emulator")
def test_a_wrong_step_ends_it(command, copied):
    result = command("--folder", str(copied("3_fused.cu", "sums[k][a][b] += ", "sums[k][a][b] -= ")))
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("3_fused.cu gives ")
    assert "fused_conv2d_relu_max_pool2d" not in KERNELS


@pytest.mark.usefixtures("emulator")
def test_what_the_emulator_finds_ends_it(command, copied):
    result = command("--folder", str(copied("relu_pool.cu", "    if (i >= of.maps * P * Q) return;\n", "")))
    assert result.exit_code == 1
    fault = "relu_max_pool2d: argument 1, an array of shape (1, 4, 4, 4): the kernel wrote out of bounds"
    assert fault in result.output


@pytest.mark.usefixtures("emulator")
def test_a_folder_may_be_named_relative_to_where_one_is(command, copied, monkeypatch):
    folder = copied("3_fused.cu", "sums[k][a][b] += ", "sums[k][a][b] -= ")
    monkeypatch.chdir(folder.parent)
    assert "3_fused.cu gives " in command("--folder", folder.name).output


@pytest.mark.usefixtures("emulator")
def test_other_backends_and_folders_without_the_steps_are_refused(command, tmp_path):
    for words, message in ((("--backend", "numpy"), "--backend numpy: there are emulator and cupy"),
                           (("--folder", str(tmp_path)), "there is no 1_naive.cu, 2_tiled.cu, ")):
        result = command(*words)
        assert result.exit_code == 2
        assert message in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(("backend", "reason"), [("emulator", "there is no C++ compiler"), ("cupy", "cupy")])
def test_where_a_backend_is_missing_it_says_why(backend, reason):
    row = next(row for row in backends.list() if row.name == backend)
    if backend == "cupy" and row.available:
        pytest.skip("there is a GPU")
    environment = {**os.environ, "CXX": "no-such-compiler"}
    result = subprocess.run([sys.executable, "-m", "cnnkit_cupy.ladder", "--backend", backend],
                            env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stdout == ""
    assert f"backend {backend!r} is not available: " in result.stderr
    assert reason in result.stderr
