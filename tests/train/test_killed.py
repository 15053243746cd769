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
EPOCHS, CHECKPOINTS = "3", 30  # ten an epoch


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
    moments = random.SystemRandom()
    process, begin = start(tmp_path, "numpy"), time.monotonic()
    if kill % 2:  # at any moment from the start of Python on; else near the writing of a checkpoint
        time.sleep(moments.uniform(0, 0.8 * seconds))
    else:
        number = moments.randint(1, CHECKPOINTS)
        while process.poll() is None and not list(tmp_path.glob(f"checkpoints/.checkpoint-{number:06}.*")):
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    files = sorted(path.name for path in tmp_path.glob("checkpoints/checkpoint-*.json"))
    print(f"{'too late' if process.returncode == 0 else 'killed'} after {time.monotonic() - begin:.2f} s; "
          f"newest checkpoint {files[-1] if files else 'none'}")
    assert process.returncode in (-signal.SIGKILL, 0)
    finish(start(tmp_path, "numpy"))
    assert json.loads((tmp_path / "done.json").read_text()) == json.loads(expected)
