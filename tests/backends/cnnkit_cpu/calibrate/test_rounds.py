"""Rounds that something else has disturbed do not count, and where most are there are no figures."""

import pytest
from cnnkit_cpu.calibrate.rounds import TRIES, DisturbedError, Rounds


class Machine:
    """A clock, and calls that advance it; `slower` gives a factor for each moment."""

    def __init__(self, slower=lambda now: 1):
        self.now, self.slower, self.calls = 0.0, slower, []

    def clock(self):
        return self.now

    def call(self, name, seconds):
        def work():
            self.calls.append(name)
            self.now += seconds * self.slower(self.now)
        return work

    def medians(self, rounds):
        control = self.call("control", 1.0)
        calls = {"a": self.call("a", 2), "b": self.call("b", 5)}
        return Rounds(rounds, 0.0, self.clock).medians(control, calls)


def test_a_quiet_machine_gives_the_medians_after_as_many_rounds_as_are_wanted():
    machine = Machine()
    assert machine.medians(5) == {"a": 2, "b": 5}
    assert machine.calls[-4 * 5:] == ["control", "a", "b", "control"] * 5


def test_the_rounds_of_a_disturbance_are_thrown_away():
    machine = Machine(lambda now: 3 if 40 < now < 90 else 1)
    assert machine.medians(5) == {"a": 2, "b": 5}
    quiet = Machine()
    quiet.medians(5)
    assert machine.calls.count("a") > quiet.calls.count("a")


def test_a_machine_that_is_disturbed_all_the_time_gives_no_figures():
    machine = Machine(lambda now: 1 + now)
    message = rf"14 of {5 * TRIES} rounds were disturbed: the same work took up to \d"
    with pytest.raises(DisturbedError, match=message):
        machine.medians(5)


def test_short_calls_are_repeated_within_a_timing():
    machine = Machine()
    rounds = Rounds(1, 10.0, machine.clock)
    control, short = machine.call("control", 1.0), machine.call("short", 0.5)
    assert rounds.medians(control, {"short": short}) == {"short": 0.5}
    assert machine.calls.count("short") == 3 + 20
