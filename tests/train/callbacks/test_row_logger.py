"""Logs: an error in writing costs a warning, never the run or a part of a line."""

import errno
import os
from pathlib import Path

import pytest

from cnnkit import models, random, storage, train
from cnnkit.data import datasets
from cnnkit.train.callbacks import Checkpoint, CSVLogger, JSONLinesLogger

DIGITS = datasets.digits(train=False)


def fit(log, epochs=3, **settings):
    random.seed(0)
    return train.fit(models.CommonCNN((1, 8, 8)), DIGITS, epochs=epochs, batch_size=120, seed=0,
                     progress=False, callbacks=[log, *settings.pop("callbacks", [])], **settings)


def fail(monkeypatch, times, half):
    """The first `times` additions to a file fail, after a part of the line was written or before."""
    real, calls = storage.append, []

    def append(path, data, durable=True):
        if len(calls) < times:
            calls.append(path)
            if half:
                real(path, b"1,2.3")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, data, durable=durable)

    monkeypatch.setattr(storage, "append", append)


@pytest.mark.parametrize("logger", [CSVLogger, JSONLinesLogger])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("half", [False, True])
def test_lines_that_a_full_disk_cost_are_written_later(logger, times, half, tmp_path, monkeypatch):
    log = logger(tmp_path / "log")
    fail(monkeypatch, times, half)
    with pytest.warns(RuntimeWarning, match="could not be written .*training goes on") as caught:
        history = fit(log)
    assert len(caught) == 1
    assert (tmp_path / "log").read_text() == "".join(
        log.line(row.as_dict(), n == 0) for n, row in enumerate(history))


def test_a_log_that_stays_broken_ends_with_a_whole_line(tmp_path, monkeypatch):
    fail(monkeypatch, 9, half=True)
    with pytest.warns(RuntimeWarning, match="could not be written"):
        assert len(fit(CSVLogger(tmp_path / "log"))) == 3
    assert (tmp_path / "log").read_text() == ""


def test_a_full_disk_at_the_start_of_a_resumed_run_leaves_the_lines_that_are_there(tmp_path, monkeypatch):
    callbacks = [Checkpoint(tmp_path / "checkpoints")]
    fit(CSVLogger(tmp_path / "log"), 2, callbacks=callbacks)
    before = (tmp_path / "log").read_text()
    real = os.replace

    def full(source, target):
        if Path(target).name == "log":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(RuntimeWarning, match="could not be written"):
        history = fit(CSVLogger(tmp_path / "log"), 3, callbacks=callbacks, resume=True)
    assert len(history) == 3
    text = (tmp_path / "log").read_text()
    assert text.startswith(before)
    assert len(text.splitlines()) == 4


def test_a_log_that_cannot_be_there_is_refused_before_the_first_epoch(tmp_path):
    with pytest.raises(IsADirectoryError):
        fit(CSVLogger(tmp_path))
