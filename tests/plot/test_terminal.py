"""Pictures in terminals: what is sent is the picture, and only terminals that can show it are sent it."""

import base64
import io
import os
import re
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from cnnkit.plot import terminal


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (61, 83)).astype(np.uint8))


def test_kitty_is_sent_the_file_in_pieces_of_4096_characters(picture):
    codes = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", terminal.kitty(picture))
    assert [keys for keys, _ in codes] == ["a=T,f=100,m=1", *["m=1"] * (len(codes) - 2), "m=0"]
    assert {len(piece) for _, piece in codes[:-1]} == {4096}
    sent = Image.open(io.BytesIO(base64.b64decode("".join(piece for _, piece in codes))))
    np.testing.assert_array_equal(np.asarray(sent), np.asarray(picture))


def unpacked(text):
    """The picture that a terminal makes of sixels."""
    head = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.DOTALL)
    W, H, codes = int(head[1]), int(head[2]), head[3]
    greys, pixels = {}, np.full((H + 5, W), -1)
    x = y = colour = 0
    for number, share, colour_name, count, character, move in re.findall(
            r"#(\d+);2;(\d+);\2;\2(?!\d)|#(\d+)|!(\d+)(.)|([?-~$-])", codes):
        if number:
            greys[int(number)] = int(share)
        elif colour_name:
            colour = int(colour_name)
        elif move == "$":
            x = 0
        elif move == "-":
            x, y = 0, y + 6
        else:
            bits, times = ord(character or move) - 63, int(count or 1)
            for bit in range(6):
                if bits >> bit & 1:
                    pixels[y + bit, x:x + times] = greys[colour]
            x += times
    return pixels[:H]


def test_sixels_are_the_picture_in_64_greys(picture):
    shares = unpacked(terminal.sixel(picture))
    assert shares.min() >= 0
    assert np.abs(shares / 100 - np.asarray(picture) / 255).max() < 1 / 60


@pytest.mark.parametrize(("answer", "can"), [(b"\x1b[?62;4;22c", True), (b"\x1b[?62;22c", False),
                                             (b"\x1b[?4c", False), (b"q\x1b[?64;1;4c", True), (b"", False)])
def test_a_terminal_is_asked_and_left_as_it_was(answer, can):
    termios = pytest.importorskip("termios")
    screen, keyboard = os.openpty()
    heard = []

    def reply():
        heard.append(os.read(screen, 16))
        os.write(screen, answer)

    try:
        before = termios.tcgetattr(keyboard)
        thread = threading.Thread(target=reply)
        thread.start()
        assert terminal.says_sixel(keyboard, keyboard, patience=5.0 if answer else 0.05) == can
        thread.join()
        assert heard == [b"\x1b[c"]
        assert termios.tcgetattr(keyboard) == before
    finally:
        os.close(screen)
        os.close(keyboard)


@pytest.mark.parametrize(("environment", "way"), [
    ({"TERM": "xterm-kitty"}, "kitty"), ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
    ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "kitty"), ({"TERM": "foot"}, "sixel"),
    ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1", "TMUX": "/tmp/x"}, "sixel"),
    ({"TERM": "dumb", "KITTY_WINDOW_ID": "1"}, ""), ({}, "")])
def test_a_terminal_is_known_by_its_environment_or_its_answer(environment, way, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def fileno(self):
            return 0

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(terminal, "says_sixel", lambda keyboard, display: True)
    assert terminal.protocol(environment) == way


def test_a_file_or_a_pipe_is_sent_no_picture(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal.protocol({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}) == ""
