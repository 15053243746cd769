"""The weights, and the whole state of a run, do not depend on how many processes there were."""

from __future__ import annotations

import pytest
from mpi_runs import alone, run

SAME = "weights", "state", "loss", "accuracy", "val_loss", "val_f1"


def figures(result):
    return {name: result[name] for name in SAME}


def check(ranks, settings):
    expected = figures(alone(settings))
    printed, _ = run(ranks, settings)
    assert len(printed) == ranks
    for result in printed:
        assert result["ranks"] == ranks
        assert figures(result) == expected


def test_two_ranks_end_with_the_bits_of_one():
    check(2, {"recipe": "all", "bucket": 2000})


@pytest.mark.heavy
@pytest.mark.parametrize("recipe", ["sgd", "adam", "norm", "all", "value", "sync", "sync all", "wide",
                                    "few"])
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 8])
def test_any_number_of_ranks_ends_with_the_bits_of_one(recipe, ranks):
    check(ranks, {"recipe": recipe})


@pytest.mark.heavy
@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("recipe", ["all", "sync all"])
def test_so_it_does_with_numpys_own_kernels(recipe, ranks):
    check(ranks, {"recipe": recipe, "backend": "numpy", "epochs": 1})


@pytest.mark.heavy
@pytest.mark.parametrize("recipe", ["value", "sync all"])
def test_clipping_by_value_changes_the_bits(recipe):  # or the tests above would show nothing of it
    clipped, free = (alone({"recipe": recipe, "epochs": 1, **more}) for more in ({}, {"clip_value": 1e9}))
    assert clipped["weights"] != free["weights"]


@pytest.mark.heavy
@pytest.mark.parametrize("settings", [
    {"recipe": "all", "shards": 3}, {"recipe": "wide", "bucket": 2000},
    {"recipe": "all", "shards": 1}, {"recipe": "sgd", "workers": 2},
    {"recipe": "all", "backend": "array-api-strict", "epochs": 1},
    {"recipe": "norm", "backend": "emulator", "epochs": 1},
    {"recipe": "all", "backend": "emulator", "epochs": 1},
    {"recipe": "sync all", "backend": "emulator", "epochs": 1},
    {"recipe": "sgd", "strategy": "mpi+nccl"}], ids=str)  # arrays of the host have no links
def test_other_shards_workers_and_backends(settings):
    check(2, settings)


def test_the_bits_depend_on_the_shards():  # or the tests above could not fail
    eight, two = (alone({"recipe": "sgd", "shards": shards}) for shards in (8, 2))
    assert eight["weights"] != two["weights"]


@pytest.mark.heavy
@pytest.mark.parametrize("settings", [
    {"recipe": "norm", "grow": [2, 4]}, {"recipe": "all", "grow": [3, 3], "bucket": 1}], ids=str)
def test_ranks_that_join_at_the_end_of_an_epoch_change_no_bit(settings):
    settings = {**settings, "epochs": 3}
    expected = figures(alone(settings))
    printed, _ = run(2, settings)
    assert sorted(result["rank"] for result in printed) == list(range(settings["grow"][1]))
    assert [figures(result) for result in printed] == [expected] * settings["grow"][1]


@pytest.mark.heavy
def test_a_rank_that_died_is_replaced_at_the_end_of_the_epoch():
    settings = {"recipe": "adam", "epochs": 3, "die": ["kill", 1, 3], "grow": [5, 3]}
    expected = figures(alone({"recipe": "adam", "epochs": 3}))
    printed, _ = run(3, settings, status=None)
    assert [figures(result) for result in printed] == [expected] * 3


@pytest.mark.heavy
def test_a_run_goes_on_at_another_size_to_the_same_bits(tmp_path):
    expected = figures(alone({"recipe": "norm", "epochs": 4}))
    folder = str(tmp_path / "checkpoints")
    for ranks, epochs in ((2, 1), (3, 2), (1, 3), (4, 4)):
        printed, _ = run(ranks, {"recipe": "norm", "epochs": epochs, "folder": folder, "resume": True})
    assert [figures(result) for result in printed] == [expected] * 4
