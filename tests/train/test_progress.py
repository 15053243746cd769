"""Progress that cannot be shown does not end a run; nobody who reads it pauses the run."""

import errno
import io
import re

import pytest
from rich.console import Console

from cnnkit import nn, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Checkpoint
from cnnkit.train.progress import Bar, Lines, Terminal

LEARN = Subset(datasets.digits(train=True), range(64))


class Failing(io.StringIO):
    """An output that fails from its second line on."""

    def __init__(self, number, terminal):
        super().__init__()
        self.number, self.terminal, self.failing = number, terminal, False

    def isatty(self):
        return self.terminal

    def write(self, text):
        if self.failing:
            raise OSError(self.number, "it failed")
        self.failing = "Epoch 1, loss" in text
        return super().write(text)


def fit(reporter, *callbacks):
    return train.fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), LEARN, epochs=4, batch_size=16, seed=0,
                     callbacks=callbacks, progress=reporter)


@pytest.mark.parametrize("kind", [Lines, Bar])
def test_a_closed_output_pauses_the_run_and_standard_error_says_how_to_go_on(kind, tmp_path, capsys):
    console = Terminal(file=Failing(errno.EPIPE, kind is Bar), force_terminal=kind is Bar)
    history = fit(kind(console), Checkpoint(tmp_path))
    assert (history.interrupted, history.signal) == (True, None)
    assert re.fullmatch(r"Stopped because its output was closed in epoch [23] of 4; fit\(.*\) goes on from "
                        r"there.\n", capsys.readouterr().err)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_output_that_is_full_or_gone_is_one_warning_and_training_goes_on(number):
    with pytest.warns(RuntimeWarning, match=r"the progress can no longer be shown \(it failed\)") as caught:
        history = fit(Lines(Console(file=Failing(number, False))))
    assert (len(caught), history.interrupted, len(history)) == (1, False, 4)


def test_an_error_of_a_reporter_of_ones_own_is_an_error(tmp_path):
    class Mine(train.progress.Silent):
        def end(self, row):
            raise BrokenPipeError("mine")

    with pytest.raises(BrokenPipeError, match="mine") as caught:
        fit(Mine(), Checkpoint(tmp_path))
    assert "has the run after 4 updates" in caught.value.__notes__[0]
