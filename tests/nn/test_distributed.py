"""DistributedDataParallel and the collectives on real ranks, in a training loop of one's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mpi_runs import run

from cnnkit import nn

PROGRAM = Path(__file__).parents[1] / "distributed" / "ddp_program.py"


@pytest.mark.heavy
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_collectives_give_every_rank_the_same(ranks):
    printed, _ = run(ranks, {}, program=PROGRAM)
    values = np.array([[1.0 + rank, 10.0 * rank] for rank in range(ranks)])
    for result in printed:
        assert result["parts"] == values.tolist()
        assert result["added"] == values.sum(axis=0).tolist()
        assert result["most"] == values.max(axis=0).tolist()
        assert result["mean"] == values.mean(axis=0).tolist()
        assert result["given"] == values[-1].tolist()
    assert len({result["weights"] for result in printed}) == 1


@pytest.mark.heavy
@pytest.mark.parametrize("settings", [{"batch": 66}, {"batch": 66, "norm": True, "sync": True},
                                      {"batch": 66, "decay": True, "bucket": 1e-3},
                                      {"batch": 66, "no_sync": True}], ids=str)
def test_ranks_learn_what_one_process_learns_from_the_whole_batch(settings):
    single, *_ = run(1, settings, program=PROGRAM)[0]
    printed, _ = run(3, settings, program=PROGRAM)
    assert len({result["weights"] for result in printed}) == 1
    if not settings.get("no_sync"):  # where batches count for several updates, their order matters
        np.testing.assert_allclose(printed[0]["some"], single["some"], atol=2e-6)


def test_a_bucket_has_a_size():
    with pytest.raises(ValueError, match="bucket_cap_mb must be a number of MiB above 0, got 0"):
        nn.parallel.DistributedDataParallel(nn.Linear(2, 2), bucket_cap_mb=0)


def test_a_model_without_gradients_needs_no_wrapper():
    with pytest.raises(RuntimeError, match="no parameter of the module requires one"):
        nn.parallel.DistributedDataParallel(nn.ReLU())
