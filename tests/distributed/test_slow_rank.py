"""A rank for which the others wait is named, with its machine, when an epoch ends."""

from __future__ import annotations

import re
import socket

import pytest
from mpi_runs import run_lines

NAMED = re.compile(r"rank (\d) \((.+)\) takes \d+\.\d times as long as the median rank")


@pytest.mark.heavy
@pytest.mark.parametrize("rank", [0, 1])
def test_the_slow_one_of_two_ranks_is_named_after_each_epoch(rank):
    lines = run_lines(2, {"slow": [rank, 0.05], "epochs": 2, "progress": True})
    named = [found.groups() for line in lines if (found := NAMED.search(line))]
    assert named == [(str(rank), socket.gethostname())] * 2, lines
