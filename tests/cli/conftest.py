"""Commands run in a folder of their own; some of them with a model that was trained from the command line."""

import subprocess
import sys

import pytest

import cnnkit


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Commands run in an empty folder, with wide lines, and leave no backend chosen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    yield tmp_path
    cnnkit.use(None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that was trained from the command line, and what that printed."""
    folder = tmp_path_factory.mktemp("trained")
    done = subprocess.run([sys.executable, "-m", "cnnkit", "train", "digits", "--epochs", "8", "--out",
                           str(folder / "net")], capture_output=True, text=True, check=True, cwd=folder)
    return folder / "net.safetensors", done.stdout
