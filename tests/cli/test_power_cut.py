"""`cnnkit train` whose power is cut after any system call: a model or a checkpoint is there, and is whole."""

import tomllib
import warnings
from collections import Counter
from pathlib import Path

import pytest
from power_cut import Disk, latest, lay_out

from cnnkit.cli import resuming, run
from cnnkit.models import load_model
from cnnkit.train import checkpoints

MODEL, KEPT = "net.safetensors", "net.checkpoints"


def train(out, *options):
    return run(["train", "digits", "--epochs", "1", "--batch-size", "720", "--out", str(out), *options])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """What was there before: nothing, a model, and a stopped run of other settings beside a model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resuming, "EVERY", 0.0)
        model = tmp_path_factory.mktemp("model")
        assert train(model / "net", "--lr", "0.03") == 0
        stopped = tmp_path_factory.mktemp("stopped")
        patch.setattr("cnnkit.cli.training.clear", lambda folder: None)
        assert train(stopped / "net", "--lr", "0.02") == 0
    return {"nothing": {}, "a model": contents(model), "a stopped run": contents(stopped)}


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def recorded(before, folder):
    """What the command does to the disk; how many calls were done when the first checkpoint was whole."""
    lay_out(before, folder)
    disk, write, done = Disk(folder), checkpoints.write, []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resuming, "EVERY", 0.0)
        patch.setattr(checkpoints, "write", lambda *arguments: (
            write(*arguments), done.append(len(disk.calls))))
        disk.everywhere(patch)
        assert train(folder / "net") == 0
    disk.check(before)
    return disk, done


@pytest.mark.parametrize("kind", ["nothing", "a model", "a stopped run"])
def test_a_model_or_a_checkpoint_is_there_after_any_cut(folders, kind, tmp_path, capsys):
    before = folders[kind]
    disk, done = recorded(before, tmp_path / "whole")
    assert len(done) >= 2
    final, found = (disk.root / MODEL).read_bytes(), Counter()
    old_checkpoints = {name for name in before if name.startswith(KEPT) and name.endswith(".json")}
    states, seen = latest(disk.calls, before, disk.root), {}
    for number, (cut, state) in enumerate(states):
        folder = tmp_path / str(number)
        key = tuple(sorted((name, content) for name, content in state.items() if ".tmp" not in name))
        if key not in seen:
            lay_out(state, folder)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                seen[key] = checkpoints.newest(folder / KEPT)
            if MODEL in state or MODEL in before:
                load_model(folder / MODEL)
        newest = seen[key]
        assert newest is not None or MODEL in state or cut < done[0]
        if newest is not None:  # it never lies beside the settings of another run, or without any
            old = {name for name in old_checkpoints if state.get(name) == before[name]}
            lr = 0.02 if f"{KEPT}/{newest.path.name}" in old else 0.001
            assert tomllib.loads(state[f"{KEPT}/run.toml"].decode())["lr"] == lr
        found[newest is not None, state.get(MODEL) == final] += 1
    assert {(False, False), (True, False), (True, True), (False, True)} == set(found)
    if kind == "nothing":
        for number, (_, state) in enumerate(states[::len(states) // 4]):
            folder = lay_out(state, tmp_path / f"resumed{number}")
            assert train(folder / "net", "--resume") == 0
            assert (folder / MODEL).read_bytes() == final
            assert not (folder / KEPT).exists()
    capsys.readouterr()


def test_exported_settings_are_a_stream_and_touch_no_file(tmp_path, monkeypatch, capsys):
    disk = Disk(tmp_path)
    with monkeypatch.context() as patch:
        disk.everywhere(patch)
        assert train(Path("net"), "--export-config") == 0
    assert tomllib.loads(capsys.readouterr().out)["epochs"] == 1
    assert disk.calls == []
