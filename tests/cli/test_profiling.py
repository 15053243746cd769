"""``cnnkit profile``."""

import json
from pathlib import Path

import pytest

from cnnkit.cli import run

COMMAND = ["profile", "CommonCNN", "digits", "--backend", "numpy", "--steps", "2", "--batch-size", "8"]


def test_it_shows_the_slowest_kernels_and_writes_trace_and_flame_graph(capsys):
    assert run([*COMMAND, "--rows", "3", "--trace", "trace.json", "--flame", "flame.svg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("phase")
    assert lines[5].startswith("and ")
    assert lines[-1].startswith("arrays that kernels made: ")
    names = [row["name"] for row in json.loads(Path("trace.json").read_text())["traceEvents"]]
    assert names.count("adam") == 2
    assert Path("flame.svg").read_text().startswith("<svg ")


@pytest.mark.heavy
def test_json_has_every_row(capsys):
    assert run([*COMMAND, "--json", "--by", "layer"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {row["phase"] for row in report["rows"]} >= {"forward", "backward", "update"}
    assert "classifier.fc1" in {row["layer"] for row in report["rows"]}


def test_a_mistake_is_one_line(capsys):
    assert run([*COMMAND, "--sort", "color"]) == 2
    assert "sort_by must be one of total" in capsys.readouterr().err
