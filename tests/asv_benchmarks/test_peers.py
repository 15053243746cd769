"""The peer benchmark: turns are shared fairly, disturbed ones taken again, and no goal is met under them."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "asv_benchmarks"
PLUG = "def make(case):\n    return (lambda: sum(range({n}))) if case['kind'] == 'train' else None\n"


@pytest.fixture
def peers(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    from peers import __main__, cases, table, turns

    return {"main": __main__, "cases": cases, "table": table, "turns": turns}


class Contender:
    """One that answers with what it was given: the share of a processor that others used, or an error."""

    def __init__(self, name, answers):
        self.name, self.answers = name, iter(answers)

    def ask(self, do, **request):
        if do == "set up":
            return {"ok": True}
        answer = next(self.answers)
        return answer if isinstance(answer, dict) else {"ok": True, "seconds": 1.0 + answer, "others": answer}


def test_a_disturbed_turn_is_taken_again_and_the_quietest_counts(peers):
    contender = Contender("a", [0.5, 0.01, 0.0, 0.3, 0.2, 0.4])
    turns, errors = peers["turns"].take_turns([contender], {}, rounds=3, retries=2, seconds=0.1)
    assert (turns["a"].others, turns["a"].seconds, turns["a"].disturbed) == ([0.01, 0.0, 0.2],
                                                                            [1.01, 1.0, 1.2], 1)
    assert errors == {}


def test_a_contender_that_fails_is_named_and_the_others_go_on(peers):
    failing = Contender("a", [0.0, {"ok": False, "error": "MemoryError: too much"}])
    turns, errors = peers["turns"].take_turns([failing, Contender("b", [0.0] * 3)], {}, 3, 2, 0.1)
    assert errors == {"a": "MemoryError: too much"}
    assert len(turns["b"].seconds) == 3
    assert list(turns) == ["b"]


@pytest.mark.parametrize(("seconds", "others", "said"), [
    (0.1, 0.0, "goal 8: reached"), (0.2, 0.0, "goal 8: missed"),
    (0.1, 0.5, "goal 8: no verdict, 3 of 6 turns were disturbed")])
def test_no_goal_is_met_by_disturbed_turns(peers, seconds, others, said):
    Turns = peers["turns"].Turns
    turns = {"torch_cl": Turns([1.0] * 3, [0.0] * 3), "cnnkit": Turns([seconds] * 3, [others] * 3)}
    assert peers["main"].verdict("W1/b32", turns, "sgd") == said
    assert peers["main"].verdict("W1/b32", turns, "adam") == ""


def test_files_are_contenders_and_the_table_reads_what_was_written(peers, tmp_path, monkeypatch, capsys):
    for name, n in (("cnnkit", 1000), ("torch_cl", 20000)):
        (tmp_path / f"{name}.py").write_text(PLUG.format(n=n))
    contenders = f"{tmp_path / 'torch_cl.py'},{tmp_path / 'cnnkit.py'}"
    command = [sys.executable, "-m", "peers", "--contenders", contenders, "--cases",
               "W1/b32,maxpool2/32", "--rounds", "2", "--seconds", "0.002", "--retries", "0",
               "--json", str(tmp_path / "run.json")]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    first, trained, *ops, last = done.stdout.splitlines()
    assert first.endswith("in brackets the ratio of speeds to torch_cl")
    assert trained.startswith("W1/b32")
    assert "goal 8: " in trained
    assert all(line.endswith("nobody supports it") for line in ops)
    assert "of 4" in last
    run = json.loads((tmp_path / "run.json").read_text())
    assert {*run["machine"]} >= {"processor", "instruction set", "threads"}
    del run["cases"]["maxpool2/32x64x32x32/fwd"], run["cases"]["maxpool2/32x64x32x32/bwd"]
    (tmp_path / "run.json").write_text(json.dumps(run))
    peers["table"].main([tmp_path / "run.json"])
    rows = capsys.readouterr().out.splitlines()
    assert rows[2].startswith("| W1/b32 | ")
    assert rows[-1].endswith("of 4 turns were disturbed by others")


def test_cases_are_the_documented_ones(peers):
    names = peers["cases"].cases()
    page = (FOLDER.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert [name for name in names if f"| {name} |" not in page] == []
    for name, goal in peers["cases"].GOALS.items():
        assert f"| {name} |" in page
        assert f"| {goal:g} |" in next(line for line in page.splitlines() if line.startswith(f"| {name} |"))


def test_cnnkit_s_inference_is_captured(peers, recwarn):
    from peers import cnnkit_peer

    step = cnnkit_peer.make(peers["cases"].cases()["infer/lenet5-b1"])
    for _ in range(3):
        step()
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("library", ["onnxruntime", "openvino"])
def test_what_cnnkit_exports_is_run_and_nothing_else(peers, library, monkeypatch):
    for needed in ("onnx", "spox", library):
        pytest.importorskip(needed)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    make = importlib.import_module(f"peers.{library}_peer").make
    case = peers["cases"].cases()["infer/lenet5-b1"]
    scores, = make(case)().values() if library == "openvino" else make(case)()
    assert scores.shape == (1, 10)
    assert make({**case, "kind": "train"}) is None
    exported = importlib.import_module("peers.exported")
    with pytest.raises(ValueError, match="lenet5 are others than cnnkit's"):
        exported.check(library, case, np.zeros((1, 10)), np.ones((1, 10)))


def test_the_captured_contender_replays_the_step(peers):
    from peers import cnnkit_peer

    case = {"kind": "train", "net": "leaky", "batch": 2, "opt": "sgd"}
    step = cnnkit_peer.captured(case)
    step()
    fast_step, = [cell.cell_contents for cell in step.__closure__ if hasattr(cell.cell_contents, "replays")]
    assert fast_step.replays == 1
    assert cnnkit_peer.captured({**case, "kind": "infer"}) is None
