"""The model of an update on many ranks."""

from __future__ import annotations

import math

import pytest

from cnnkit.distributed import cost_model
from cnnkit.distributed.cost_model import Link, Work, efficiency, update_seconds

WORK, FAST = Work(0.5, 45e6), Link(3e-5, 1.25e9)


def test_without_messages_only_the_deal_of_the_shards_counts():
    assert efficiency(Work(0.5, 0), 8, 4, Link(0, 1e9)) == 1
    assert update_seconds(Work(0.5, 0), 8, 3, Link(0, 1e9)) == pytest.approx(1.5)  # one rank has three shards


def test_what_backward_does_not_hide_is_waited_for():
    link = Link(0, 1e6)  # 45 s there, and as much back
    assert update_seconds(WORK, 2, 2, link, math.inf) == pytest.approx(0.5 + 45)
    assert update_seconds(WORK, 2, 2, link) < 0.5 + 45


def test_many_ranks_need_large_buckets_and_few_ranks_small_ones():
    small, large = 1 << 19, 1 << 26
    assert efficiency(WORK, 1024, 512, FAST, large) > efficiency(WORK, 1024, 512, FAST, small)
    slow = Link(3e-5, 1.25e8)
    assert efficiency(WORK, 2, 2, slow, small) > efficiency(WORK, 2, 2, slow, large)


def test_the_command_prints_a_row_for_each_number_of_ranks(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cost_model", "--shards", "8"])
    cost_model.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["1", "2", "4", "8"]
