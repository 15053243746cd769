"""Names of files whose bytes are no UTF-8 are printed, saved and read again by the command line."""

import json
import os
import sys
import tomllib
import warnings
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from PIL import Image

from cnnkit import models
from cnnkit.cli import main
from cnnkit.cli.config import export

FOLDER, IMAGE = os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff.png")


@pytest.fixture
def command(monkeypatch):
    """Run a command with an output that takes UTF-8 only; what it printed."""
    def command(*arguments):
        output = TextIOWrapper(BytesIO(), encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main sets it
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
        assert stop.value.code == 0
        output.seek(0)
        return output.read()
    return command


def test_a_folder_is_trained_on_and_its_images_predicted(command, elsewhere):
    for name in (FOLDER, "dog"):
        (Path(FOLDER) / name).mkdir(parents=True)
        for n in range(4):
            Image.new("L", (8, 8), 60 * n).save(Path(FOLDER) / name / (IMAGE if n == 0 else f"{n}.png"))
    assert r"on caf\udce9: " in command("train", FOLDER, "--epochs", "1", "--out", "net")
    assert models.read_settings("net.safetensors")["classes"] == [r"caf\udce9", "dog"]
    image = str(Path(FOLDER) / "dog" / IMAGE)
    assert r"caf\udce9/dog/\udcff.png" in command("predict", "net", image)
    assert json.loads(command("predict", "net", image, "--json"))[0]["image"] == image


def test_settings_with_such_a_name_are_toml():
    assert tomllib.loads(export({"data": FOLDER, "out": "a\nb"})) == {"data": r"caf\udce9", "out": "a\nb"}
