"""Locks: a second process is refused and told who holds it; the end of a process gives it back."""

import json
import os
import signal
import subprocess
import sys

import pytest

from cnnkit.storage import Lock, Locked

HOLD = ("import sys; from pathlib import Path; from cnnkit.storage import Lock\n"
        "with Lock(Path(sys.argv[1]), 'x', run='abc'): print('held', flush=True); sys.stdin.read()")


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_who_holds_it(holder, tmp_path):
    assert json.loads((tmp_path / "lock").read_text())["run"] == "abc"
    message = f"the model net is being written by process {holder.pid} on .* since "
    with pytest.raises(Locked, match=message), Lock(tmp_path / "lock", "the model net"):
        pass


@pytest.mark.parametrize("end", [lambda process: process.stdin.close(),
                                 lambda process: process.send_signal(signal.SIGKILL)])
def test_the_end_of_a_process_gives_it_back(holder, tmp_path, end):
    end(holder)
    holder.wait()
    with Lock(tmp_path / "lock", "x"):
        assert json.loads((tmp_path / "lock").read_text())["process"] == os.getpid()
    assert not (tmp_path / "lock").exists()


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="lock"), Lock(tmp_path / "lock", "x"):
        pass
    assert (tmp_path / "victim").read_text() == "precious"
