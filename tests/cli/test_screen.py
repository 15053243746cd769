"""What commands print: names as they are, and whole."""

import re

from PIL import Image
from rich.console import Console

import cnnkit
from cnnkit.cli import run


def test_names_with_brackets_and_colons_are_printed_as_they_are(trained, capsys, elsewhere):
    names = ["x[red]y.png", "[bold].png", ":smile:.png"]
    for name in names:
        Image.new("L", (8, 8)).save(name)
    assert run(["predict", str(trained[0]), *names]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]] == names
    assert run(["train", "digits", "--epochs", "0", "--out", "out/[/q]"]) == 0
    assert "Model saved to out/[/q].safetensors" in capsys.readouterr().out


def test_what_goes_to_a_pipe_is_not_cropped(trained, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    Image.new("L", (8, 8)).save("a-name-that-is-longer-than-the-line-of-a-narrow-terminal.png")
    assert run(["predict", str(trained[0]),
                "a-name-that-is-longer-than-the-line-of-a-narrow-terminal.png"]) == 0
    assert "narrow-terminal.png " in capsys.readouterr().out
    assert run(["backends"]) == 0
    printed = capsys.readouterr().out
    assert "…" not in printed
    for row in cnnkit.backends.list():
        assert f"{row.name} " in printed
    assert run(["show", str(trained[0]), "a-name-that-is-longer-than-the-line-of-a-narrow-terminal.png"]) == 0
    assert "features.conv1: Conv2d, 8 filters of 3 x 3 on 1 channel" in capsys.readouterr().out


def test_backends_are_whole_in_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setattr("cnnkit.cli.inspecting.screen",
                        lambda: Console(width=80, force_terminal=True, color_system=None))
    assert run(["backends"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    words = " ".join(printed.split())
    for row in cnnkit.backends.list():
        assert f"{row.name} " in printed
        for detail in (row.reason, row.available and ", ".join(row.tables)):
            assert not detail or " ".join(detail.split()) in words


def test_a_narrow_terminal_breaks_lines_between_words(monkeypatch, capsys):
    monkeypatch.setattr("cnnkit.cli.training.screen",
                        lambda: Console(width=80, force_terminal=True, color_system=None))
    assert run(["train", "digits", "--epochs", "1", "--out", "net"]) == 0
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if "\x1b" not in line]
    assert max(map(len, lines)) <= 80
    assert "1,438 images of 1 x 8 x 8, 359 held out, 10 classes" in " ".join(" ".join(lines).split())
    row = printed[printed.index("Epoch 1, "):]
    assert re.match(r"Epoch 1, loss \d\.\d{4}, accuracy 0\.\d{4}, held-out loss \d\.\d{4}, "
                        r"held-out accuracy 0\.\d{4}, [\d,]+ images/s", " ".join(row.split()))
