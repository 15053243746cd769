"""The command that counts what each kernel moves: its table, its part of docs/gpu.md, a plug-in's table."""

import re
from pathlib import Path

import pytest
from cnnkit_cupy import kernels, launcher
from cnnkit_emulator import counters
from typer.testing import CliRunner

from cnnkit import backends, conformance

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
PAGE = Path(__file__).parents[3] / "docs" / "gpu.md"


@pytest.fixture
def command():
    app = counters.typer.Typer()
    app.command()(counters.main)
    return lambda *args: CliRunner().invoke(app, args)


def test_the_table_has_a_row_for_each_kernel_that_an_op_launches(command):
    result = command("--op", "cross_entropy")
    assert result.exit_code == 0, result.output
    for name in ("cross_entropy<float, long long>", "cross_entropy_backward<float, long long>"):
        assert name in result.output


def test_every_op_that_the_tables_serve_is_counted():
    target = conformance.Target("emulator")
    with target.entered():
        counted = {case.kernel for case in counters.cases(target)}
        tables = backends.get("emulator").resolve()
    assert counted >= {*tables.single} - {"max_pool_with_indices"}


def test_only_its_own_part_of_the_page_is_written(command, tmp_path, monkeypatch):
    losses = [case for case in counters.CASES if case.kernel == "cross_entropy"]
    monkeypatch.setattr(counters, "cases", lambda target: losses)
    page = tmp_path / "page.md"
    page.write_text("before\n\n<!-- generated: counters -->\n\nold\n\n<!-- end -->\n\n"
                    "<!-- generated: report -->\n\nkept\n\n<!-- end -->\n")
    assert command("--write", str(page)).exit_code == 0
    before, table, after = re.fullmatch(r"(.*counters -->\n\n)(.*?)(\n\n<!-- end -->.*)",
                                        page.read_text(), re.DOTALL).groups()
    assert (before, after) == ("before\n\n<!-- generated: counters -->\n\n",
                               "\n\n<!-- end -->\n\n<!-- generated: report -->\n\nkept\n\n<!-- end -->\n")
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == [
        "| `cross_entropy<float, long long>`", "| `cross_entropy_backward<float, long long>`"]
    page.write_text("nothing generated")
    # in a box, whose lines are as long as the folder's name lets them be
    message = command("--write", str(page)).output
    assert "no part" in re.sub(r"[\s│]+", " ", message)
    assert command("--write", str(page), "--op", "conv").exit_code == 2


def test_the_page_shows_kernels_that_there_are():
    kernels.kernels("emulator")
    rows = re.search(counters.MARKS, PAGE.read_text(encoding="utf-8"), re.DOTALL)[2].splitlines()[2:]
    assert {re.match(r"\| `(\w+)", line)[1] for line in rows} <= {name.split("<")[0]
                                                                  for name in launcher.KERNELS}
    assert len(rows) > 10


@pytest.mark.heavy
def test_a_table_of_somebody_else_is_counted(command):
    def relu(x, *, needs):
        cuda = backends.get("emulator").cuda
        y = cuda.empty(x.shape, x.dtype)
        cuda.run("__global__ void mine(const float* x, float* y) { y[threadIdx.x] = fmaxf(x[threadIdx.x], "
                 "0); }", ("mine",), "mine", (1, 1, 1), (min(x.size, 32), 1, 1), [x, y], [False, True])
        return y, None

    backends.register_table(backends.KernelTable("mine", "emulator", {"relu": relu}))
    try:
        result = command("--backend", "mine")
        assert re.search(r"mine .*relu", result.output), result.output
    finally:
        backends.register_table(remove="mine")


@pytest.mark.parametrize(("name", "message"),
                         [("numpy", "does not run on the emulator"), ("nobody", "there is no backend")])
def test_a_backend_that_is_not_emulated_is_refused(command, name, message):
    result = command("--backend", name)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("\u2502", " ").split())


@pytest.mark.parametrize(("row", "expected"), [
    (["`sgd<float>`", "sgd", "4.00", "1.00", "1.00", "1.00", "–", "1.01"], []),
    (["`sgd<float>`", "sgd", "4.00", "1.05", "1.00", "1.00", "–", "1.00"],
     ["`sgd<float>`, sgd: loads 1.05, and was 1.00"]),
    (["`sgd<float>`", "sgd", "4.00", "0.90", "1.00", "1.00", "2.00", "1.00"],
     ["`sgd<float>`, sgd: shared loads 2.00, and was –"]),
    (["`adam<float>`", "adam", "4.00", "1.00", "1.00", "1.00", "–", "–"],
     ["`adam<float>`, adam: not on the page, which --write brings up to date"]),
])
def test_what_moves_more_than_the_page_says_is_named(row, expected):
    page = "| kernel | call |\n| `sgd<float>` | sgd | 4.00 | 1.00 | 1.00 | 1.00 | – | 1.00 |\n"
    assert counters.regressions(page, [row]) == expected
