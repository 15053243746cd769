"""Checkpoints on the disk: damaged, in other formats, where nothing can be written, and which are kept."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from resumed_runs import HELD_OUT, AtStep, assert_same, network, run

import cnnkit
from cnnkit import no_grad, train
from cnnkit.train import CheckpointError, checkpoints
from cnnkit.train.callbacks import Checkpoint


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-7])


def altered(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("ending", [".json", ".safetensors"])
@pytest.mark.parametrize("damage", [cut_off, altered, os.remove, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_is_used(tmp_path, ending, damage):
    whole = run()
    run([Checkpoint(tmp_path), AtStep(23)])
    files = checkpoints.numbered(tmp_path)
    assert len(files) == 2
    damage(files[1].with_suffix(ending))
    if ending == ".json" and damage is os.remove:  # as if it had never been finished
        assert_same(run([Checkpoint(tmp_path)], resume=True), whole)
    else:
        message = f"{files[1].stem}.*Going on from the one before it, .*{files[0].name}"
        with pytest.warns(checkpoints.CheckpointWarning, match=message):
            resumed = run([Checkpoint(tmp_path)], resume=True)
        assert_same(resumed, whole)


def test_where_all_are_damaged_each_is_named_and_none_is_used(tmp_path):
    run([Checkpoint(tmp_path)])
    for path in checkpoints.numbered(tmp_path):
        cut_off(path)
    with pytest.raises(ValueError, match=r"no checkpoint in .* can be used: "
                       r".*checkpoint-000003.*checkpoint-000002.*Remove them"):
        run(resume=tmp_path)


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    run([Checkpoint(tmp_path)], epochs=1)
    path = checkpoints.numbered(tmp_path)[0]
    content = json.loads(path.read_text()) | {"format": 2}
    content.pop("sha256")
    path.write_text(json.dumps({"sha256": checkpoints._digest(content), **content}))
    with pytest.raises(ValueError, match="has format 2; this version of cnnkit reads format 1"):
        run(resume=tmp_path)


def test_a_full_disk_is_one_clear_error_and_the_state_survives(tmp_path, monkeypatch):
    whole = run()
    real, calls = os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) > 6:  # four for the first checkpoint: two files, and the folder after each
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(file)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"checkpoint-000002.json could not be written \(No space "
                       r"left on device\)") as caught:
        run([Checkpoint(tmp_path / "a")])
    monkeypatch.undo()
    names = [path.name for path in sorted((tmp_path / "a").iterdir())]
    assert names == ["checkpoint-000001.json", "checkpoint-000001.safetensors"]
    assert_same(run(resume=caught.value.state), whole)
    caught.value.save(tmp_path / "b")
    assert_same(run(resume=tmp_path / "b"), whole)


def test_with_on_error_training_goes_on_without_the_checkpoint(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    errors, whole = [], run()
    monkeypatch.setattr(os, "fsync", refuse)
    assert_same(run([Checkpoint(tmp_path, on_error=errors.append)]), whole)
    assert len(errors) == 4  # after each epoch, and at the end once more
    assert "Read-only file system" in str(errors[0])


def test_a_folder_that_cannot_be_written_to_is_named_before_the_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError,
                       match=r"no checkpoint can be written to the folder .*file/x \(Not a directory\)"):
        run([Checkpoint(tmp_path / "file" / "x"), AtStep(1, lambda run: pytest.fail("it trained"))])


def test_a_real_limit_on_the_size_of_files(tmp_path):
    # python -B: the limit would cut the .pyc files that it writes
    code = ("import resource, signal, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
            f" sys.path.insert(0, {str(Path(__file__).parents[1])!r}); signal.signal(signal.SIGXFSZ, "
            f"signal.SIG_IGN)\nfrom resumed_runs import run\nfrom cnnkit.train.callbacks import Checkpoint\n"
            f"run([Checkpoint({str(tmp_path)!r})])")
    process = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False)
    assert "CheckpointError: the checkpoint" in process.stderr
    assert "(File too large)" in process.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_replaces_no_good_checkpoint(tmp_path):
    def spoil(run):
        with no_grad():
            run.model[0].weight.fill_(float("nan"))

    with pytest.raises(FloatingPointError):
        run([AtStep(15, spoil), Checkpoint(tmp_path, every_n_batches=1)], validation=None)
    state = checkpoints.newest(tmp_path).state
    assert (state["epoch"], state["batch"]) == (1, 5)


def test_checkpoints_of_another_run_are_replaced_with_overwrite_only(tmp_path):
    run([Checkpoint(tmp_path)], epochs=2)
    with pytest.raises(FileExistsError, match="holds checkpoints of another run: go on with it"):
        run([Checkpoint(tmp_path)], epochs=1)
    run([Checkpoint(tmp_path, overwrite=True)], epochs=1, seed=9)
    assert checkpoints.newest(tmp_path).state["epoch"] == 1


def test_the_settings_decide_which_checkpoints_are_kept(tmp_path):
    def names(folder):
        return [path.stem[-2:] for path in checkpoints.numbered(tmp_path / folder)]

    run([Checkpoint(tmp_path / "two")])
    run([Checkpoint(tmp_path / "all", keep=None, every_n_batches=4)])
    run([Checkpoint(tmp_path / "last", every_n_epochs=None)])
    assert names("two") == ["02", "03"]
    assert names("all") == [f"{n:02}" for n in range(1, 10)]  # after batches 4, 8, 10 of each epoch
    assert names("last") == ["01"]


def test_the_best_weights_are_kept(tmp_path):
    best = Checkpoint(tmp_path, monitor="val_accuracy")
    _, rows, _ = run([best], epochs=5)
    kept = cnnkit.safetensors.read_metadata(best.best_path)
    assert kept["epoch"] == str(1 + [row["val_accuracy"] for row in rows].index(best.best))
    assert float(kept["val_accuracy"]) == max(row["val_accuracy"] for row in rows) == best.best
    model = network()
    model.load_state_dict(cnnkit.safetensors.load_file(best.best_path))
    assert train.evaluate(model, HELD_OUT).accuracy == best.best


def test_half_written_files_of_a_killed_process_are_swept_away(tmp_path):
    for name in (".checkpoint-000003.json", "checkpoint-000004.safetensors"):
        (tmp_path / name).write_bytes(b"half")
    run([Checkpoint(tmp_path)], epochs=1)
    names = [path.name for path in sorted(tmp_path.iterdir())]
    assert names == ["checkpoint-000001.json", "checkpoint-000001.safetensors"]
