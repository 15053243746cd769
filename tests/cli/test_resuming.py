"""`cnnkit train --resume`: the same command goes on to the same model; other options are refused."""

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pressing import at_batch

from cnnkit import storage
from cnnkit.cli import resuming, run
from cnnkit.models import read_settings

TRAIN = ["train", "digits", "--epochs", "3", "--schedule", "one-cycle", "--early-stopping", "2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights and the history of the run that nothing stops."""
    path = tmp_path_factory.mktemp("whole") / "net.safetensors"
    assert run([*TRAIN, "--out", str(path)]) == 0
    assert sorted(file.name for file in path.parent.iterdir()) == ["net.safetensors"]
    return path.read_bytes(), history(path)


def full_for(monkeypatch, beginning):
    """A disk that has no space for files whose names begin so."""
    real = storage.write

    def write(path, data):
        if path.name.startswith(beginning):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(storage, "write", write)


def history(path):
    rows = read_settings(path)["history"]
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]


def test_ctrl_c_says_how_to_go_on_and_that_ends_with_the_same_model(whole, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        at_batch(patch, 60, times=1)
        assert run([*TRAIN, "--out", "net"]) == 0
    out = capsys.readouterr().out
    assert "Stopped by Ctrl-C in epoch 2 of 3; what was learnt is kept, and this goes on from there:" in out
    command = next(line.split() for line in out.splitlines() if line.endswith("--resume"))
    assert (command[0], sorted(command[1:])) == ("cnnkit", sorted([*TRAIN, "--out", "net", "--resume"]))
    assert run(command[1:]) == 0
    assert "Going on from net.checkpoints/checkpoint-000001" in capsys.readouterr().out
    assert (Path("net.safetensors").read_bytes(), history(Path("net.safetensors"))) == whole
    assert not Path("net.checkpoints").exists()


def test_a_killed_command_goes_on_to_the_same_model(whole):
    code = "import sys; from cnnkit.cli import resuming, run; resuming.EVERY = 0.0; run(sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, *TRAIN, "--out", "net"],
                               stdout=subprocess.DEVNULL)
    while process.poll() is None and not Path("net.checkpoints/checkpoint-000050.json").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert run([*TRAIN, "--out", "net", "--resume"]) == 0
    assert (Path("net.safetensors").read_bytes(), history(Path("net.safetensors"))) == whole


def test_resume_without_a_checkpoint_begins_at_the_beginning(whole, capsys):
    assert run([*TRAIN, "--out", "net", "--resume"]) == 0
    assert "There is no checkpoint in net.checkpoints: beginning at the beginning" in capsys.readouterr().out
    assert Path("net.safetensors").read_bytes() == whole[0]


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"\xff"),
                                    lambda file: file.write_text("a = [")])
def test_settings_that_cannot_be_read_are_named(damage, monkeypatch, capsys):
    at_batch(monkeypatch, 20, times=1)
    assert run([*TRAIN, "--out", "net"]) == 0
    damage(Path("net.checkpoints/run.toml"))
    assert run([*TRAIN, "--out", "net", "--resume"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert message.startswith("cnnkit: --resume: net.checkpoints/run.toml, the settings that the run "
                              "began with, cannot be read")
    assert message.endswith("leave --resume out to begin anew")


def test_settings_that_cannot_be_written_are_named(monkeypatch, capsys):
    full_for(monkeypatch, "run.toml")
    assert run([*TRAIN, "--out", "net"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert ("net.checkpoints/run.toml, could not be written (No space left on device): free some space, "
            "or name a file" in message)


def test_a_model_that_cannot_be_written_is_named_and_its_checkpoint_kept(whole, monkeypatch, capsys):
    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cnnkit.models.save_model", full)
        assert run([*TRAIN, "--out", "net"]) == 2
    message = " ".join(capsys.readouterr().err.split())
    assert message.startswith("cnnkit: the model net.safetensors could not be written (No space left on "
                              "device): free some space")
    assert run([*TRAIN, "--out", "net", "--resume"]) == 0
    assert "Going on from" in capsys.readouterr().out
    assert Path("net.safetensors").read_bytes() == whole[0]


def test_other_options_than_the_stopped_runs_are_refused(monkeypatch, capsys, whole):
    at_batch(monkeypatch, 20, times=1)
    assert run([*TRAIN, "--out", "net"]) == 0
    capsys.readouterr()
    for option, message in (("--lr 0.1", "has lr = 0.001, and this command 0.1"),
                            ("--val 0.1", "has val = its default, and this command 0.1"),
                            ("--epochs 9", "its schedule's number of epochs was 3, and now it is 9"),
                            ("--schedule cosine", "has schedule = one-cycle, and this command cosine")):
        assert run([*TRAIN, "--out", "net", *option.split(), "--resume"]) == 2
        assert message in capsys.readouterr().err
    assert run([*TRAIN, "--out", "net"]) == 0
    assert "Beginning anew: the unfinished run in net.checkpoints is dropped" in capsys.readouterr().out
    assert Path("net.safetensors").read_bytes() == whole[0]


def test_other_options_are_all_named_and_can_be_accepted(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        at_batch(patch, 20, times=1)
        assert run(["train", "digits", "--epochs", "2", "--out", "net"]) == 0
    other = ["train", "digits", "--epochs", "2", "--out", "net", "--resume", "--lr", "0.01", "--class-weight",
             "balanced"]
    capsys.readouterr()
    assert run(other) == 2
    error = capsys.readouterr().err
    assert ("--resume: the run in net.checkpoints has lr = 0.001, and this command 0.01; class-weight = "
            "its default, and this command balanced; give the same options, add --accept-changes" in error)
    with monkeypatch.context() as patch:
        at_batch(patch, 20, times=1)
        assert run([*other, "--accept-changes"]) == 0
    printed = capsys.readouterr()
    assert "cnnkit: --accept-changes: the run in net.checkpoints has lr = 0.001" in printed.err
    assert "the run goes on although its lr was 0.001, and now it is 0.01; its loss was" in printed.err
    assert "--accept-changes" not in printed.out
    assert run(other) == 0  # the run's options are now these
    assert capsys.readouterr().err == ""


def test_data_that_were_replaced_are_refused_or_accepted(monkeypatch, capsys):
    def write(seed):
        np.savez("set.npz", x=np.random.default_rng(seed).integers(0, 255, (600, 8, 8), np.uint8),
                 y=np.arange(600) % 10)

    write(1)
    train = ["train", "set.npz", "--epochs", "3", "--out", "net"]
    with monkeypatch.context() as patch:
        at_batch(patch, 20, times=1)
        assert run(train) == 0
    write(2)
    capsys.readouterr()
    assert run([*train, "--resume"]) == 2
    error = capsys.readouterr().err
    assert "cnnkit: --resume: the checkpoint cannot be resumed: its data was" in error
    assert "its validation data was" in error
    assert "add --accept-changes to go on with these, or leave --resume out to begin anew" in error
    assert run([*train, "--resume", "--accept-changes"]) == 0
    assert "cnnkit: the run goes on although its data was" in capsys.readouterr().err


def test_a_second_command_with_the_same_out_is_refused_and_drops_nothing(monkeypatch, capsys):
    with monkeypatch.context() as patch:
        at_batch(patch, 20, times=1)
        assert run([*TRAIN, "--out", "net"]) == 0
    kept = {file: file.read_bytes() for file in Path("net.checkpoints").iterdir()}
    capsys.readouterr()
    with storage.Lock(Path("net.checkpoints/lock"), "the folder"):
        for options in ([], ["--resume"]):
            assert run([*TRAIN, "--out", "net", *options]) == 2
            assert ("cnnkit: the folder of checkpoints net.checkpoints is being written by process"
                    in capsys.readouterr().err)
    assert {file: file.read_bytes() for file in Path("net.checkpoints").iterdir()} == kept


def test_fewer_epochs_than_are_done_are_refused_and_the_checkpoint_stays(monkeypatch, capsys):
    plain = ["train", "digits", "--out", "net"]
    with monkeypatch.context() as patch:
        at_batch(patch, 60, times=1)
        assert run([*plain, "--epochs", "3"]) == 0
    kept = {file: file.read_bytes() for file in Path("net.checkpoints").iterdir()}
    capsys.readouterr()
    assert run([*plain, "--epochs", "1", "--resume"]) == 2
    assert "epochs=1 is less than the checkpoint has done, 1 epoch and 15 batches" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in Path("net.checkpoints").iterdir()} == kept
    assert run([*plain, "--epochs", "2", "--resume"]) == 0


def test_a_damaged_checkpoint_is_named_in_one_line(monkeypatch, capsys, whole):
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    with monkeypatch.context() as patch:
        at_batch(patch, 60, times=1)
        assert run([*TRAIN, "--out", "net"]) == 0
    newest = max(Path("net.checkpoints").glob("checkpoint-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:1000])
    capsys.readouterr()
    assert run([*TRAIN, "--out", "net", "--resume"]) == 0
    error = capsys.readouterr().err
    assert newest.name in error
    assert "has been cut off or altered" in error
    assert len(error.splitlines()) == 1
    assert Path("net.safetensors").read_bytes() == whole[0]


def test_a_checkpoint_that_cannot_be_written_is_one_line_and_training_goes_on(monkeypatch, capsys, whole):
    full_for(monkeypatch, "checkpoint-")
    at_batch(monkeypatch, 20, times=1)
    assert run([*TRAIN, "--out", "net"]) == 0
    printed = capsys.readouterr()
    assert "checkpoint-000001.json could not be written (No space left on device)" in printed.err
    assert len(printed.err.splitlines()) == 1
    assert "Stopped by Ctrl-C in epoch 1 of 3; what was learnt is kept." in printed.out
    assert Path("net.safetensors").is_file()
    assert not Path("net.checkpoints").exists()


def test_early_stopping_names_the_epoch_whose_weights_are_kept(capsys):
    assert run(["train", "digits", "--epochs", "30", "--early-stopping", "1", "--lr",
                "0.05", "--out", "net"]) == 0
    out = capsys.readouterr().out
    rows = history(Path("net.safetensors"))
    best = min(rows, key=lambda row: row["val_loss"])
    assert (f"Stopped early after epoch {len(rows)}: "
            f"the model has the weights of epoch {best['epoch']}, its best." in out)
    assert f"Held-out accuracy {best['val_accuracy']:.4f} after {len(rows)} epochs" in out
    assert run(["evaluate", "net", "digits"]) == 0
    assert f"accuracy {best['val_accuracy']:.4f}" in capsys.readouterr().out


def test_val_holds_out_a_share_or_takes_other_data(capsys):
    assert run(["train", "digits", "--epochs", "0", "--val", "0.1", "--out", "net"]) == 0
    assert "1,295 images of 1 x 8 x 8, 143 held out" in capsys.readouterr().out
    np.savez("set.npz", x=np.zeros((20, 8, 8), np.uint8), y=np.arange(20) % 2)
    np.savez("held.npz", x=np.zeros((6, 8, 8), np.uint8), y=np.arange(6) % 2)
    np.savez("wide.npz", x=np.zeros((6, 8, 9), np.uint8), y=np.arange(6) % 2)
    assert run(["train", "set.npz", "--epochs", "0", "--val", "held.npz", "--out", "net"]) == 0
    assert "20 images of 1 x 8 x 8, 6 held out" in capsys.readouterr().out
    for val, message in (
        ("2", "--val 2: a share"), ("wide.npz", "--val: the size of wide.npz and set.npz differ"),
        ("digits", "--val: the classes of digits and set.npz differ"), ("gone", "no data 'gone'")):
        assert run(["train", "set.npz", "--epochs", "0", "--val", val, "--out", "net"]) == 2
        assert message in capsys.readouterr().err
