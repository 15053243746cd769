"""A rank that raises an error, hangs or dies: an error that names it, or the same bits without it."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress

import pytest
from mpi_runs import PROGRAM, alone, results, run, start

SETTINGS = {"recipe": "adam", "epochs": 6, "every": 3}


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_of_one_rank_ends_all_and_names_it(rank):
    printed, errors = run(2, {"recipe": "adam", "die": ["raise", rank, 4]}, status=1)
    assert not printed
    assert f"another rank has ended the run: rank {rank} (" in errors
    assert "OSError: the disk is full" in errors


def test_a_rank_that_does_not_come_ends_all_in_time(tmp_path):
    begin = time.monotonic()
    settings = {"recipe": "adam", "die": ["hang", 0, 4], "timeout": 2, "pids": str(tmp_path)}
    printed, errors = run(2, settings, status=1)
    assert not printed
    assert "rank 1 of 2 has waited 2 s for the other ranks" in errors
    pids = ranks_of(tmp_path, 2)
    while any(is_there(pid) for pid in pids) and time.monotonic() < begin + 120:
        time.sleep(0.1)
    assert [pid for pid in pids if is_there(pid)] == []


@pytest.mark.heavy
def test_a_checkpoint_for_which_there_is_no_room_ends_all_and_names_it(tmp_path):
    settings = {"recipe": "adam", "folder": str(tmp_path / "checkpoints"), "every": 1, "limit": [0, 2000]}
    printed, errors = run(2, settings, status=1)
    assert not printed
    assert "another rank has ended the run: rank 0 (" in errors
    assert "File too large" in errors


@pytest.mark.heavy
@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_in_validation_ends_all_and_names_it(rank):
    printed, errors = run(2, {"recipe": "adam", "measuring": ["raise", rank, 2]}, status=1)
    assert not printed
    assert f"another rank has ended the run: rank {rank} (" in errors
    assert "OSError: the disk is full" in errors


@pytest.mark.heavy
@pytest.mark.parametrize(("where", "when"), [("die", 4), ("measuring", 1), ("measuring", 2)])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_others_go_on_in_memory_when_a_rank_dies(rank, where, when):
    expected = alone({"recipe": "adam"})
    printed, _ = run(3, {"recipe": "adam", where: ["kill", rank, when]}, status=None)
    assert len(printed) == 2
    assert {result["weights"] for result in printed} == {expected["weights"]}
    assert {result["state"] for result in printed} == {expected["state"]}


@pytest.mark.heavy
@pytest.mark.parametrize("how", ["kill", "leave"])
def test_a_rank_that_waits_for_its_device_can_look_whether_the_others_are_there(how):
    printed, errors = run(3, {"how": how}, status=None, program=PROGRAM.with_name("watching_program.py"))
    assert sorted(result["rank"] for result in printed) == [0, 2], errors
    assert all("has lost another rank" in result["heard"] for result in printed)


@pytest.fixture(scope="module")
def undisturbed():
    return alone(SETTINGS)


def ranks_of(folder, count):
    """The processes of all ranks, as soon as they have said so."""
    end = time.monotonic() + 120
    while len(files := list(folder.glob("pid-*"))) < count and time.monotonic() < end:
        time.sleep(0.002)
    return [int(path.name[4:]) for path in files]


@pytest.mark.heavy
def test_ranks_killed_at_random_moments_do_not_change_the_bits(undisturbed, kill, tmp_path):
    moments, count = random.SystemRandom(), 4
    settings = {**SETTINGS, "folder": str(tmp_path / "checkpoints"), "pids": str(tmp_path), "resume": True,
                "timeout": 45}  # a rank that dies before MPI has started leaves the others waiting for it
    stall = 0.0
    for attempt in range(3):
        for path in tmp_path.glob("pid-*"):
            path.unlink()
        process = start(count - attempt, settings, start_new_session=True)
        pids = ranks_of(tmp_path, count - attempt)
        if attempt < 2:
            time.sleep(moments.uniform(0, 4))
            victims = moments.sample(pids, moments.randint(1, len(pids)))
            begin = time.monotonic()
            for pid in victims:
                with suppress(ProcessLookupError):  # it was done
                    os.kill(pid, signal.SIGKILL)
        try:
            output, errors = process.communicate(timeout=200)
        finally:
            for pid in pids:
                assert not is_there(pid)
        if attempt < 2:
            stall = max(stall, time.monotonic() - begin)
        printed = results(output)
        if printed:
            break
    print(f"{len(printed)} ranks were left after {attempt + 1} starts; to the end at most {stall:.1f} s")
    assert printed, errors[-2000:]
    assert {result["weights"] for result in printed} == {undisturbed["weights"]}
    assert {result["state"] for result in printed} == {undisturbed["state"]}


def is_there(pid):
    """Whether a process runs; one that has ended may be listed until its parent has seen it."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
