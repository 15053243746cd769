"""No text can command the terminal: control characters come out as escapes, whatever they are printed in."""

import io

import pytest
from rich.table import Table
from rich.text import Text

from cnnkit.cli import run, screen

EVIL, SHOWN = "a\x1b[2J\x9b1m\u202e[bold]", r"a\x1b[2J\x9b1m\u202e[bold]"


def table(text):
    result = Table(text, title=text)
    result.add_row(text)
    return result


@pytest.mark.parametrize("wrap", [str, Text, table])
@pytest.mark.parametrize("make", [screen.screen, screen.error_screen])
def test_control_characters_are_shown_as_escapes(wrap, make):
    console = make()
    console.file = io.StringIO()
    console.print(wrap(EVIL), soft_wrap=True)
    shown = console.file.getvalue()
    assert SHOWN in shown
    assert all(letter == "\n" or letter.isprintable() for letter in shown)


@pytest.mark.parametrize("arguments", [["summary", EVIL], ["predict", EVIL, EVIL], ["train", EVIL], [EVIL],
                                       ["train", "digits", "--model", EVIL], ["train", "--config", EVIL],
                                       ["evaluate", EVIL, EVIL], ["train", "digits", "--set", EVIL],
                                       ["train", EVIL, "--export-config"]])
def test_no_command_prints_them(capsys, arguments):
    run(arguments)
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    assert "\x9b" not in captured.out + captured.err


def test_an_error_that_nobody_foresaw_is_one_line(capsys, monkeypatch):
    def fail(*_, **__):
        raise KeyError("z\x1b[2J\nsecond line")

    monkeypatch.setattr("cnnkit.cli.app", fail)
    assert run(["backends"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "this should not have happened, KeyError: " in line
    assert "(CNNKIT_TRACEBACK=1 shows where" in line


def test_a_traceback_is_shown_on_request(capsys, monkeypatch):
    monkeypatch.setenv("CNNKIT_TRACEBACK", "1")
    assert run(["summary", "nothing"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err
