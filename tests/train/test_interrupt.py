"""Signals ask a run to stop, a second one ends it at once, and afterwards they do what they did before."""

import os
import signal
import threading

import pytest

from cnnkit import nn, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Callback, Checkpoint
from cnnkit.train.ema import EMA
from cnnkit.train.interrupt import SIGNALS, Interrupt

LEARN = Subset(datasets.digits(train=True), range(64))  # four batches an epoch


@pytest.fixture(autouse=True)
def handlers():
    """The handlers as they were, before and after each test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    after = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


class Sending(Callback):
    """Sends a signal so many times after update `step`."""

    def __init__(self, number, step=2, times=1):
        self.number, self.step, self.times = number, step, times

    def on_before_optimizer_step(self, run):
        if run.step == self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


def fit(*callbacks, **settings):
    return train.fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), LEARN, epochs=3, batch_size=16, seed=0,
                     callbacks=callbacks, **{"progress": False} | settings)


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_finishes_the_update_and_is_said_with_the_way_to_go_on(number, tmp_path, capsys):
    history = fit(Sending(number), Checkpoint(tmp_path), progress=True)
    assert (history.interrupted, history.signal, len(history)) == (True, number, 1)
    state = train.checkpoints.read(train.checkpoints.numbered(tmp_path)[-1]).state
    assert (state["step"], state["batch"]) == (3, 3)
    name = "Ctrl-C" if number == signal.SIGINT else number.name
    assert (f"Stopped by {name} in epoch 1 of 3; fit(..., resume={str(tmp_path)!r}) goes on from there.\n"
            in capsys.readouterr().out)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_second_ends_the_run_at_once_and_its_checkpoint_has_the_last_update(number, tmp_path):
    ended = KeyboardInterrupt if number == signal.SIGINT else SystemExit
    with pytest.raises(ended) as caught:
        fit(Sending(number, times=2), Checkpoint(tmp_path))
    assert number == signal.SIGINT or caught.value.code == 128 + number
    assert train.checkpoints.read(train.checkpoints.numbered(tmp_path)[-1]).state["step"] == 2
    assert "has the run after 2 updates" in caught.value.__notes__[0]


def test_a_run_that_is_not_stopped_has_no_signal():
    assert fit().signal is None


def test_a_signal_before_the_first_update_stops_it_there():
    class AtStart(Callback):
        def on_train_start(self, run):
            signal.raise_signal(signal.SIGTERM)

    history = fit(AtStart())
    assert (history.interrupted, history.signal, len(history)) == (True, signal.SIGTERM, 0)


def test_pressed_twice_in_haste_ctrl_c_waits_for_the_checkpoint(tmp_path, monkeypatch):
    write, steps = train.checkpoints.write, []

    def pressed(folder, number, state):
        steps.append(state["step"])
        signal.raise_signal(signal.SIGINT)
        write(folder, number, state)

    monkeypatch.setattr(train.checkpoints, "write", pressed)
    with pytest.raises(KeyboardInterrupt):
        fit(Sending(signal.SIGINT), Checkpoint(tmp_path))
    assert steps == [3]
    assert train.checkpoints.newest(tmp_path).state["step"] == 3


def test_a_second_ctrl_c_waits_for_the_end_of_an_update_that_the_optimizer_has_made(tmp_path, monkeypatch):
    update = EMA.update

    def pressed(self):
        if self.average:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        update(self)

    monkeypatch.setattr(EMA, "update", pressed)
    with pytest.raises(KeyboardInterrupt):
        fit(Checkpoint(tmp_path), ema=0.5)
    assert train.checkpoints.newest(tmp_path).state["step"] == 2


def test_signals_that_are_ignored_or_handled_stay_so(handlers):
    heard = []
    signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Interrupt() as interrupt:
        for number in SIGNALS:
            signal.raise_signal(number)
    assert (heard, interrupt.signal) == ([signal.SIGTERM], None)
    for number in SIGNALS:
        signal.signal(number, handlers[number])


def test_an_inner_one_hears_them_and_the_outer_one_hears_them_again_afterwards():
    with Interrupt() as outer:
        with Interrupt() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert (inner.signal, outer.signal) == (signal.SIGTERM, None)
        signal.raise_signal(signal.SIGHUP)
    assert outer.signal == signal.SIGHUP


def test_before_it_is_armed_the_first_signal_ends_everything():
    with pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)), Interrupt(armed=False):
        signal.raise_signal(signal.SIGTERM)


def test_a_second_waits_for_what_must_not_be_torn_but_a_third_does_not():
    with Interrupt() as interrupt:
        interrupt.hold()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit):
            interrupt.release()


def test_another_thread_trains_without_handlers(handlers):
    seen = []

    class Looking(Callback):
        def on_train_start(self, run):
            seen.append({number: signal.getsignal(number) for number in SIGNALS})

    thread = threading.Thread(target=fit, args=[Looking()])
    thread.start()
    thread.join()
    assert seen == [handlers]
