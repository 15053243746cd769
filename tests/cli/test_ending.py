"""However a command ends: what was learnt is kept, one line says how to go on, and there is no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cnnkit
from cnnkit import models, nn
from cnnkit.cli import run, training
from cnnkit.models import registry
from cnnkit.train import checkpoints

COMMAND = [sys.executable, "-m", "cnnkit"]
TRAIN = ["train", "digits", "--epochs", "300", "--out", "net"]
SHORT = ["train", "digits", "--epochs", "3", "--schedule", "one-cycle", "--early-stopping", "2", "--out"]
HINT = "what was learnt is kept, and this goes on from there:"


def start(*arguments, **options):
    return subprocess.Popen([*COMMAND, *arguments], text=True, stdout=subprocess.PIPE,
                            **{"stderr": subprocess.PIPE} | options)


def assert_kept():
    """The model and a checkpoint are there, of the same epoch."""
    epochs = models.load_model("net").settings["training"]["epochs"]
    assert checkpoints.newest(Path("net.checkpoints")).state["epoch"] == epochs >= 2


def signalled(number, times=1):
    """A command that gets a signal when its second epoch is done: its status, output and errors."""
    process = start(*TRAIN, "--schedule", "cosine")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Epoch 2"):
            break
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.001)
    out, err = process.communicate(timeout=60)
    return process.returncode, "".join(lines) + out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.heavy)])
def test_a_signal_keeps_everything_and_gives_its_status(number):
    status, out, err = signalled(number)
    assert (status, err) == (128 + number, "")
    for part in (f"Stopped by {number.name} in epoch ", HINT, "Model saved to net.safetensors\n"):
        assert part in out
    assert_kept()


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_many_signals_in_haste_keep_everything_too(number):
    status, out, err = signalled(number, times=2)
    assert status == 128 + number or (status, number) == (0, signal.SIGINT)
    assert "Traceback" not in err
    assert HINT in (out + err)
    assert checkpoints.newest(Path("net.checkpoints")).state["step"] > 0
    models.load_model("net")


def test_a_closed_pipe_ends_the_training_with_everything_saved():
    process = start(*TRAIN)
    for line in process.stdout:  # as `head` does
        if line.startswith("Epoch 2"):
            break
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == 128 + 13
    assert err.startswith("Stopped because its output was closed in epoch ")
    assert HINT in err
    assert err.endswith("Model saved to net.safetensors\n")
    assert "Traceback" not in err
    assert_kept()


@pytest.mark.heavy
def test_closed_errors_too_change_nothing():
    process = start(*TRAIN, stderr=subprocess.STDOUT)
    for line in process.stdout:
        if line.startswith("Epoch 2"):
            break
    process.stdout.close()
    assert process.wait(timeout=60) == 128 + 13
    assert checkpoints.newest(Path("net.checkpoints")).state["step"] > 0


@pytest.mark.heavy
def test_another_commands_closed_pipe_is_no_error():
    done = subprocess.run(f"{sys.executable} -m cnnkit summary CommonCNN --input-shape 1,8,8 | true; "
                          "exit ${PIPESTATUS[0]}", shell=True, executable="/bin/bash", capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stderr) == (128 + 13, "")


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_output_is_one_line_and_the_model_is_saved():
    code = ("import sys; from cnnkit.cli import main, training; training.say = lambda *_: None; "
            "main(sys.argv[1:])")  # the first line would end it before there is anything to keep
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code, *SHORT, "net"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
    assert "the progress can no longer be shown (No space left on device); training goes on" in done.stderr
    assert "Traceback" not in done.stderr
    assert models.load_model("net").settings["training"]["epochs"] == 3


@pytest.mark.parametrize("module", [
    "typer.core", *(pytest.param(name, marks=pytest.mark.heavy) for name in (
        "cnnkit.backends", "rich.console", "cnnkit.cli.training", "numpy.linalg", "cnnkit.data",
        "cnnkit.train.schema", "cnnkit.train"))])
def test_ctrl_c_while_python_imports_is_one_line(module):
    """``-X importtime`` names each module that has been imported, so that the moment is sure."""
    process = subprocess.Popen([sys.executable, "-X", "importtime", "-m", "cnnkit", *TRAIN],
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    for line in process.stderr:
        if line.split("|")[-1].strip() == module:
            process.send_signal(signal.SIGINT)
            break
    err = process.stderr.read()
    process.stderr.close()
    lines = [line for line in err.splitlines() if not line.startswith("import time:")]
    # Python itself ends by the signal where code that was made of text, as of named tuples, was interrupted
    if process.wait(timeout=60) in (130, -signal.SIGINT):
        assert lines == ["cnnkit: interrupted"]
        assert not Path("net.safetensors").exists()
    else:  # it trained already
        assert (process.returncode, lines, module.startswith("cnnkit.train")) == (0, [], True)


def test_ctrl_c_before_the_first_update_is_one_line_and_saves_nothing(monkeypatch, capsys):
    from cnnkit.train import identity

    real = identity.of

    def pressed(*arguments):
        signal.raise_signal(signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(identity, "of", pressed)
    assert run([*SHORT, "net"]) == 130
    assert capsys.readouterr().err == "cnnkit: interrupted\n"
    assert os.listdir() == []


# -- errors ------------------------------------------------------------------------------------------------


class Failing(nn.Module):
    """A model of one's own whose forward raises once."""

    calls, at, error = 0, 0, None

    def __init__(self, input_shape, classes):
        super().__init__()
        self.flatten, self.last = nn.Flatten(), nn.Linear(input_shape[1] * input_shape[2], classes)

    def forward(self, x):
        Failing.calls += 1
        if Failing.calls == Failing.at:
            raise Failing.error
        return self.last(self.flatten(x))


@pytest.fixture
def failing(monkeypatch):
    def plant(error=None, at=0):
        for name, value in (("calls", 0), ("at", at), ("error", error)):
            monkeypatch.setattr(Failing, name, value)
    return plant


@pytest.fixture(autouse=True, scope="module")
def registrations():
    """The command line registers the class that it is given; that ends with this file."""
    kinds = dict(registry._kinds)
    yield
    registry._kinds.clear()
    registry._kinds.update(kinds)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights of the command that nothing disturbs."""
    path = tmp_path_factory.mktemp("whole") / "net.safetensors"
    assert run([*SHORT, str(path), "--model", f"{__name__}:Failing"]) == 0
    cnnkit.use(None)
    return path.read_bytes()


@pytest.mark.parametrize(("error", "line", "status"), [
    (ZeroDivisionError("planted"), "cnnkit: planted; ", 2),
    (MemoryError(), "cnnkit: there is not enough memory for this (out of memory); ", 2),
    pytest.param(KeyError("planted"), "cnnkit: this should not have happened, KeyError: 'planted' "
                 "(CNNKIT_TRACEBACK=1 shows where; please report it); ", 2, marks=pytest.mark.heavy),
    pytest.param(OSError(5, "Input/output error", "cat.png"), "cnnkit: cat.png: Input/output error; ", 2,
                 marks=pytest.mark.heavy),
    (KeyboardInterrupt(), "cnnkit: interrupted in epoch 2 of 3; ", 130)])
def test_an_error_keeps_what_was_learnt_and_the_command_of_its_line_goes_on(error, line, status, failing,
                                                                            whole, capsys):
    command = [*SHORT, "net", "--model", f"{__name__}:Failing"]
    failing(error, at=60)
    assert run(command) == status
    err = capsys.readouterr().err
    assert err.startswith(line + "the model as it was then is saved to net.safetensors; net.checkpoints/")
    assert f"has the run after 57 updates, in epoch 2 of 3; {HINT} cnnkit train digits " in err
    assert (err.count("\n"), err.endswith(" --resume\n")) == (1, True)
    failing()
    assert run([*command, "--resume"]) == 0
    assert Path("net.safetensors").read_bytes() == whole


def test_that_the_model_cannot_be_saved_either_is_said(failing, monkeypatch, capsys):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(models, "save_model", full)
    failing(ZeroDivisionError("planted"), at=60)
    assert run([*SHORT, "net", "--model", f"{__name__}:Failing"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("cnnkit: planted; the model could not be saved: the model net.safetensors could "
                          "not be written (No space left on device)")
    assert checkpoints.newest(Path("net.checkpoints")).state["step"] == 57


def test_weights_that_are_no_numbers_are_not_saved(failing, capsys):
    failing(FloatingPointError("no number"), at=60)
    assert run([*SHORT, "net", "--model", f"{__name__}:Failing"]) == 2
    assert not Path("net.safetensors").exists()


# -- the last resort ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "status", "lines"), [
    (SystemExit(143), 143, "cnnkit: ended by SIGTERM\n"), (SystemExit(3), 3, ""), (SystemExit(None), 0, ""),
    (SystemExit("a reason"), 1, "cnnkit: a reason\n"),
    (RecursionError(), 2, "cnnkit: this should not have happened, RecursionError: no message "
                          "(CNNKIT_TRACEBACK=1 shows where; please report it)\n"),
    (BrokenPipeError(), 141, "")])
def test_however_a_command_ends_there_is_no_traceback(error, status, lines, monkeypatch, capsys):
    def fail(*arguments, **keywords):
        raise error

    monkeypatch.setattr(training, "parts", fail)
    assert run(["train", "digits"]) == status
    err = capsys.readouterr().err
    assert err == lines


@pytest.mark.heavy
def test_errors_that_nobody_can_catch_are_one_line_each():
    code = """
import sys, threading
from cnnkit import cli
class Lost:
    def __del__(self):
        raise ValueError("in its end")
def run(arguments):
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Lost()
    return 0
cli.run = run
cli.main([])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "cnnkit: ZeroDivisionError: division by zero\ncnnkit: ValueError: in its end\n"
