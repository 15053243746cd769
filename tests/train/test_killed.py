"""A training process that is killed at a random moment and started again ends with the same bits: ``pytest --kills 20``."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_run.py")
EPOCHS = "3"


def start(folder, backend):
    return subprocess.Popen([sys.executable, SCRIPT, folder, backend, EPOCHS], stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What the run gives that nobody kills, and how long it takes."""
    folder, begin = tmp_path_factory.mktemp("whole"), time.monotonic()
    finish(start(folder, "numpy"))
    return (folder / "done.json").read_text(), time.monotonic() - begin


def test_a_killed_run_that_goes_on_ends_with_the_same_bits(uninterrupted, kill, tmp_path):
    expected, seconds = uninterrupted
    moment = random.SystemRandom().uniform(0, seconds)
    process = start(tmp_path, "numpy")
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    files = sorted(path.name for path in tmp_path.glob("checkpoints/checkpoint-*.json"))
    print(f"killed after {moment:.2f} s, newest checkpoint {files[-1] if files else 'none'}, done: {process.returncode == 0}")
    assert process.returncode in (-signal.SIGKILL, 0)
    finish(start(tmp_path, "numpy"))
    assert json.loads((tmp_path / "done.json").read_text()) == json.loads(expected)
