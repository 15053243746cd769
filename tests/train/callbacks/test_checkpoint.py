"""A folder of checkpoints is one run's; a checkpoint that cannot be read is passed over and not counted."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnnkit import nn, random, storage, train
from cnnkit.data import Subset, datasets
from cnnkit.train import checkpoints
from cnnkit.train.callbacks import Callback, Checkpoint
from cnnkit.train.checkpoints import CheckpointWarning

LEARN = Subset(datasets.digits(train=True), range(64))


class AtStep(Callback):
    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_train_batch_end(self, run):
        if run.step == self.step:
            self.action(run)


def go(folder, *callbacks, resume=True, epochs=1, **settings):
    random.seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    checkpoint = Checkpoint(folder, every_n_batches=1, **settings)
    train.fit(model, LEARN, epochs=epochs, batch_size=16, seed=0, progress=False, resume=resume,
              callbacks=[checkpoint, *callbacks])
    return model[1].weight.tolist()


def numbers(folder):
    return [int(path.stem[-6:]) for path in checkpoints.numbered(folder)]


# -- the lock ----------------------------------------------------------------------------------------------


def test_a_second_run_with_the_same_folder_is_refused_and_changes_nothing(tmp_path):
    def second(run):
        before = {path.name: path.read_bytes() for path in tmp_path.glob("*.*")}
        for resume, overwrite in ((True, False), (False, True)):
            with pytest.raises(storage.Locked, match="the folder of checkpoints .* is being written by "
                               rf"process {os.getpid()} on .* since \d+-\d+-\d+"):
                go(tmp_path, resume=resume, overwrite=overwrite)
        assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*")} == before

    whole = go(tmp_path / "whole")
    assert go(tmp_path, AtStep(2, second)) == whole
    assert not (tmp_path / "lock").exists()


def test_a_folder_is_not_left_behind_by_a_run_that_cannot_begin(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        go(tmp_path / "new", resume=tmp_path / "gone")
    assert not (tmp_path / "new").exists()


def test_an_error_gives_the_lock_back(tmp_path):
    def fail(run):
        raise KeyError("of the test")

    with pytest.raises(KeyError):
        go(tmp_path, AtStep(2, fail))
    assert not (tmp_path / "lock").exists()
    go(tmp_path)


def test_the_lock_of_a_killed_run_is_free(tmp_path):
    code = (f"import os, sys; from pathlib import Path; sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
            "from test_checkpoint import *\n"
            f"go(Path({str(tmp_path)!r}), AtStep(2, lambda run: os.kill(os.getpid(), 9)))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (tmp_path / "lock").exists()
    assert go(tmp_path) == go(tmp_path / "whole")
    assert not (tmp_path / "lock").exists()


def test_whoever_locks_the_folder_keeps_it_until_the_blocks_end(tmp_path):
    checkpoint = Checkpoint(tmp_path)
    with checkpoint.locked():
        train.fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), LEARN, batch_size=16, seed=0,
                  progress=False, callbacks=[checkpoint])
        with pytest.raises(storage.Locked):
            go(tmp_path)
    assert not (tmp_path / "lock").exists()


# -- checkpoints that cannot be read -----------------------------------------------------------------------


def unreadable(path, monkeypatch, error):
    """Reading the file ends in this error."""
    real = storage.read_bytes

    def read_bytes(file, *limits, **more):
        if Path(file) == path:
            raise error
        return real(file, *limits, **more)

    monkeypatch.setattr(storage, "read_bytes", read_bytes)


def bad_sector(path, monkeypatch):
    unreadable(path, monkeypatch, OSError(errno.EIO, os.strerror(errno.EIO), str(path)))


def folder_of_that_name(path, monkeypatch):
    path.unlink()
    path.mkdir()


def link_to_nothing(path, monkeypatch):
    path.unlink()
    path.symlink_to("/nonexistent/x")


def no_permission(path, monkeypatch):
    unreadable(path, monkeypatch, PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)))


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
@pytest.mark.parametrize("damage", [bad_sector, folder_of_that_name, link_to_nothing, no_permission])
def test_an_unreadable_newest_one_is_passed_over_and_does_not_count(ending, damage, tmp_path, monkeypatch):
    whole = go(tmp_path / "whole")
    go(tmp_path, AtStep(3, lambda run: run.pause("for the test")))
    assert numbers(tmp_path) == [2, 3]
    damage((tmp_path / "checkpoint-000003.json").with_suffix(ending), monkeypatch)
    with pytest.warns(CheckpointWarning, match=r"checkpoint-000003.*Going on from .*000002"):
        assert go(tmp_path) == whole
    assert numbers(tmp_path) == [3, 5, 6]  # 4 was step 3, and 6 is the end of the epoch


def test_the_last_whole_one_is_kept_until_there_are_two_newer_ones(tmp_path):
    go(tmp_path, AtStep(3, lambda run: run.pause("for the test")))
    (tmp_path / "checkpoint-000003.safetensors").write_bytes(b"damaged")
    with pytest.warns(CheckpointWarning):
        go(tmp_path, AtStep(3, lambda run: run.pause("for the test")))
    assert numbers(tmp_path) == [2, 3, 4]  # 2 and 4 are whole
    assert checkpoints.unreadable(checkpoints.numbered(tmp_path), 2) == {tmp_path / "checkpoint-000003.json"}
