"""``cnnkit train --log``."""

import json
import sys
from pathlib import Path

import pytest

from cnnkit.cli import run

COMMAND = ["train", "digits", "--epochs", "1", "--batch-size", "512", "--out", "net", "--log"]


@pytest.mark.heavy
def test_figures_go_to_files_beside_the_model_or_where_it_is_said():
    assert run([*COMMAND, "csv", "--log", "jsonl=other/log.jsonl"]) == 0
    assert Path("net.csv").read_text().startswith("epoch,loss,accuracy")
    assert json.loads(Path("other/log.jsonl").read_text())["epoch"] == 1


def test_tensorboard_has_a_folder_for_each_model():
    pytest.importorskip("tensorboardX")
    assert run([*COMMAND, "tensorboard"]) == 0
    assert list(Path("runs/net").glob("events.out.tfevents.*"))


@pytest.mark.parametrize(("log", "message"), [
    ("paper", "--log paper: there is no logger 'paper'; there are csv, jsonl, tensorboard, mlflow, wandb"),
    ("wandb", "Wandb needs the package wandb: pip install 'cnnkit[loggers]'")])
def test_a_mistake_is_one_line_before_anything_is_trained(capsys, monkeypatch, log, message):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert run([*COMMAND, log]) == 2
    assert message in capsys.readouterr().err
    assert not Path("net.safetensors").exists()
