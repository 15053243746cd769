"""A training process that is killed and started again ends with the same bits: ``pytest --kills 20``.

Those that are killed capture their steps, and the one that is not does not.
"""

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


def start(folder, backend, *how):
    return subprocess.Popen([sys.executable, SCRIPT, folder, backend, EPOCHS, *how],
                            stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The result of a run that is not killed and captures nothing, and how long it takes."""
    folder, begin = tmp_path_factory.mktemp("whole"), time.monotonic()
    finish(start(folder, "numpy", "uncaptured"))
    return (folder / "done.json").read_text(), time.monotonic() - begin


def kill_once(folder, near_a_checkpoint, seconds):
    """Start the run, kill it at a random moment or as it writes a checkpoint, and print when that was."""
    moments, begin = random.SystemRandom(), time.monotonic()
    process = start(folder, "numpy")
    if near_a_checkpoint:
        number = moments.randint(1, CHECKPOINTS)
        while process.poll() is None and not list(folder.glob(f"checkpoints/.checkpoint-{number:06}.*")):
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
    else:
        time.sleep(moments.uniform(0, 0.8 * seconds))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    files = sorted(path.name for path in folder.glob("checkpoints/checkpoint-*.json"))
    print(f"{'done' if process.returncode == 0 else 'killed'} after {time.monotonic() - begin:.2f} s; "
          f"newest checkpoint {files[-1] if files else 'none'}")
    assert process.returncode in (-signal.SIGKILL, 0)


def test_a_killed_run_that_goes_on_ends_with_the_same_bits(uninterrupted, kill, tmp_path):
    expected, seconds = uninterrupted
    for again in range(1 + kill % 3 // 2):  # every third run is killed twice
        kill_once(tmp_path, near_a_checkpoint=(kill + again) % 2 == 0, seconds=seconds)
    finish(start(tmp_path, "numpy"))
    assert json.loads((tmp_path / "done.json").read_text()) == json.loads(expected)
