"""Measuring: wrong numbers are found wherever they are, and in a round every call has its turn."""

import numpy as np
import pytest
from cnnkit_cpu.ladder import measuring


def test_a_difference_is_relative_to_the_largest_result():
    expected = np.array([[1.0, 100.0]])
    assert measuring.compare("it", expected + 5e-4, expected) == pytest.approx(5e-6)


@pytest.mark.parametrize("wrong", [0.75, np.nan])
def test_wrong_numbers_are_found_with_their_place(wrong):
    y = np.array([[1.0, 0.5], [wrong, 1.0]])
    message = rf"it gives {wrong} at \(1, 0\), and the naive loop 0\.5"
    with pytest.raises(measuring.WrongNumbers, match=message):
        measuring.compare("it", y, np.array([[1.0, 0.5], [0.5, 1.0]]))


def test_every_call_has_a_turn_in_every_round(monkeypatch):
    now, order = [0.0], []
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])

    def taking(name, seconds):
        def call():
            order.append(name)
            now[0] += seconds
        return call
    times = measuring.medians({"slow": taking("slow", 1.0), "fast": taking("fast", measuring.LEAST / 2)}, 3)
    assert times == pytest.approx({"slow": 1.0, "fast": measuring.LEAST / 2})
    assert order[4:] == ["slow", "fast", "fast"] * 3
