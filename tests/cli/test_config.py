"""``--config`` and ``--export-config``: settings in a file, the command line's own before them."""

import tomllib
from pathlib import Path

import pytest

from cnnkit.cli import run
from cnnkit.train.schedules import SCHEDULES


def test_what_is_exported_trains_the_same_model(capsys):
    assert run(["train", "digits", "--epochs", "1", "--lr", "1e-05", "--schedule", "cosine", "--out",
                "a", "--export-config"]) == 0
    text = capsys.readouterr().out
    assert tomllib.loads(text) == {"data": "digits", "model": "CommonCNN", "epochs": 1, "batch-size": 32,
                                   "lr": 1e-5, "optimizer": "adam", "seed": 0, "schedule": "cosine",
                                   "on-error": "skip", "out": "a", "download": False, "precision": "32-true"}
    assert not list(Path().iterdir())
    Path("run.toml").write_text(text)
    assert run(["train", "--config", "run.toml"]) == 0
    assert run(["train", "digits", "--epochs", "1", "--lr", "1e-05", "--schedule",
                "cosine", "--out", "b"]) == 0
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()


def test_the_command_line_wins(capsys):
    Path("run.toml").write_text('data = "digits"\nepochs = 9\nbatch_size = 64\n')
    assert run(["train", "--config", "run.toml", "--epochs", "1", "--export-config"]) == 0
    settings = tomllib.loads(capsys.readouterr().out)
    assert (settings["epochs"], settings["batch-size"], settings["data"]) == (1, 64, "digits")


@pytest.mark.parametrize(("text", "words"), [
    ("epoch = 3", ["--config: run.toml has 'epoch'", "did you mean 'epochs'?"]),
    ("colour = 3", ["'colour'", "there are data"]),
    ("epochs = ", ["run.toml is no TOML file"]), ("epochs = [1]", ["epochs must be one value"]),
    ("epochs = 'many'", ["'--epochs'"]), ("resume = true", ["'resume', which is no setting"]),
])
def test_a_mistake_in_the_file_gets_one_readable_line(capsys, text, words):
    Path("run.toml").write_text(text)
    assert run(["train", "digits", "--config", "run.toml"]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    for word in words:
        assert word in error


def test_a_file_that_is_not_there_is_named(capsys):
    assert run(["train", "digits", "--config", "gone.toml"]) == 2
    assert "gone.toml" in capsys.readouterr().err


def test_help_names_every_schedule(capsys):
    assert run(["train", "--help"]) == 0
    text = capsys.readouterr().out
    for name in SCHEDULES:
        assert name in text


@pytest.mark.parametrize("text", ['set = ["conv=[[4, 3]]", "dropout=0.5"]',
                                  "[set]\nconv = [[4, 3]]\ndropout = 0.5"])
def test_arguments_of_the_model_are_a_list_or_a_table(text, capsys):
    Path("run.toml").write_text(f'model = "CNN"\n{text}')
    assert run(["train", "digits", "--config", "run.toml", "--export-config"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["set"] == ["conv=[[4, 3]]", "dropout=0.5"]


@pytest.mark.parametrize(("text", "words"), [("set = 3", "set must be a list of texts, or a table, not 3"),
                                             ("lr = [1, 2]", "lr must be one value, not [1, 2]")])
def test_a_list_where_there_is_one_value_is_refused_and_the_reverse(text, words, capsys):
    Path("run.toml").write_text(text)
    assert run(["train", "digits", "--config", "run.toml"]) == 2
    assert words in capsys.readouterr().err
