"""The command for a GPU machine goes from end to end, writes its section, and stops where a check fails."""

import re

import pytest
from cnnkit_cupy.measure import __main__ as command
from cnnkit_cupy.measure import steps
from cnnkit_cupy.static.networks import NETWORKS, PRECISIONS

import cnnkit
from cnnkit import conformance

PAGE = "# A page\n\n<!-- generated: measured -->\n\nnothing yet\n\n<!-- end -->\n\nthe rest\n"


class Event:
    """An event of a clock by which a step takes a millisecond."""

    def record(self):
        pass

    synchronize = record


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "gpu.md"
    path.write_text(PAGE)
    return path


def run(*arguments):
    import typer

    app = typer.Typer()
    app.command()(command.main)
    try:
        return app(list(arguments), standalone_mode=False)
    except SystemExit as ended:
        return ended.code
    except Exception as ended:  # click's Exit
        return getattr(ended, "exit_code", repr(ended))


@pytest.fixture
def timed(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda, "Event", Event)
    monkeypatch.setattr(cupy.cuda, "get_elapsed_time", lambda a, b: 1.0)
    monkeypatch.setattr(conformance, "main_report", lambda name, ops: (f"{name} is right", 0))


@pytest.mark.heavy
def test_a_dry_run_goes_from_end_to_end_and_writes_its_section(timed, page, capsys):
    assert run("--dry-run", "--networks", "W1", "--write", str(page)) in (0, None)
    text = page.read_text()
    assert text.startswith("# A page\n\n<!-- generated: measured -->\n\n**A dry run: no figure here")
    assert text.endswith("<!-- end -->\n\nthe rest\n")
    assert re.findall(r"^\| W1 \| (\w+) \| 1\.00 \| 2,000 \|", text, re.MULTILINE) == [*PRECISIONS]
    assert "| guide: conv + ReLU + max pool | float16 | backward |" in text
    assert "cupy is right" in capsys.readouterr().out


def test_nothing_is_timed_where_a_check_fails(timed, page, monkeypatch, capsys):
    monkeypatch.setattr(conformance, "main_report", lambda name, ops: ("conv is wrong", 1))
    assert run("--dry-run", "--write", str(page)) == 1
    assert page.read_text() == PAGE
    assert "the checks failed" in capsys.readouterr().err


def test_a_step_trains():
    with cnnkit.use("numpy"):
        step = steps.training_step(NETWORKS["W1"], PRECISIONS["float32"], 4)
        losses = [step().item() for _ in range(5)]
    assert losses == sorted(losses, reverse=True)


def test_the_table_says_what_was_predicted_and_what_was_missed():
    timed = [steps.TimedStep("ResNet-50", "TF32", 64, 0.08, 0.064)]
    line = steps.table(timed, "A100", {("ResNet-50", "TF32"): 772.4}).splitlines()[-1]
    assert line == "| ResNet-50 | TF32 | 80.00 | 800 | 772 | 1,000 | 1,000, missed | 938-1,066 |"
