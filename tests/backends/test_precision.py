"""The switch between fast and strict kernels."""

import threading

import pytest

import cnnkit
from cnnkit.backends import precision_level


def test_a_block_holds_for_its_thread_and_ends():
    levels = []
    with cnnkit.precision("strict"):
        thread = threading.Thread(target=lambda: levels.append(precision_level()))
        thread.start()
        thread.join()
        assert precision_level() == "strict"
        with cnnkit.precision("fast"):
            assert precision_level() == "fast"
        assert precision_level() == "strict"
    assert (precision_level(), levels) == ("fast", ["fast"])


def test_a_call_holds_for_the_process():
    levels = []
    cnnkit.precision("strict")
    try:
        thread = threading.Thread(target=lambda: levels.append(precision_level()))
        thread.start()
        thread.join()
    finally:
        cnnkit.precision("fast")
    assert (levels, precision_level()) == (["strict"], "fast")


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="no precision 'low'; there are fast, strict, tf32, tf32x3"):
        cnnkit.precision("low")
