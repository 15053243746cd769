"""Ranks that take longer than the median one are named."""

from cnnkit.train.slow_ranks import SlowRanks


def named(*seconds):
    slow = SlowRanks([f"host{rank}" for rank in range(len(seconds))])
    slow.add(seconds)
    return slow.text()


def test_of_two_ranks_the_slower_one_is_compared_with_the_other():
    assert named(1.0, 2.0) == "rank 1 (host1) takes 2.0 times as long as the median rank"
    assert named(2.0, 1.0) == "rank 0 (host0) takes 2.0 times as long as the median rank"
    assert named(1.0, 1.4) == ""


def test_half_of_the_ranks_may_be_slow():
    assert named(1.0, 3.0, 1.0, 3.0) == ("rank 1 (host1) takes 3.0 times as long as the median rank; "
                                         "rank 3 (host3) takes 3.0 times as long as the median rank")


def test_ranks_without_shards_are_no_measure():
    assert named(0.0, 0.0, 0.0, 1.0) == ""
