"""Pictures of pixels in terminals that can show them, by kitty's protocol or as sixels.

Kitty's protocol sends PNG files in pieces between escape codes (kitty, Ghostty, WezTerm); sixels are six rows
of pixels a character (xterm, foot, mlterm, Windows Terminal and others, which say so when they are asked).
"""

from __future__ import annotations

import base64
import io
import os
import re
import select
import sys
import time
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np

__all__ = ["kitty", "protocol", "says_sixel", "sixel"]

PIECE = 4096   # characters of a piece, as kitty wants them
GREYS = 64     # levels of grey of a sixel picture
PATIENCE = 0.3  # seconds for a terminal's answer
KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
KITTY_PROGRAMS = ("ghostty", "WezTerm")


def protocol(environment: Mapping[str, str] | None = None) -> str:
    """How the terminal of this process shows pictures: ``"kitty"``, ``"sixel"``, or ``""`` for not at all.

    A file, a pipe, or ``TERM=dumb`` shows none. Kitty and its like are known by their environment variables;
    other terminals are asked for their attributes, of which 4 means sixels. Behind tmux only its own answer
    counts.
    """
    env = os.environ if environment is None else environment
    if not (sys.stdout.isatty() and sys.stdin.isatty()) or env.get("TERM", "dumb") == "dumb":
        return ""
    if not env.get("TMUX") and (env.get("KITTY_WINDOW_ID") or env["TERM"] in KITTY_TERMS
                                or env.get("TERM_PROGRAM") in KITTY_PROGRAMS):
        return "kitty"
    return "sixel" if says_sixel(sys.stdin.fileno(), sys.stdout.fileno()) else ""


def says_sixel(keyboard: int, display: int, patience: float = PATIENCE) -> bool:
    """Ask a terminal for its attributes (DA1), and whether sixels are among them.

    Parameters
    ----------
    keyboard, display : int
        File descriptors of the terminal, to read from and to write to.
    patience : float
        Seconds to wait for the answer.
    """
    try:
        import termios
        import tty
    except ImportError:  # Windows
        return False
    try:
        before = termios.tcgetattr(keyboard)
    except termios.error:
        return False
    answer, end = b"", time.monotonic() + patience
    try:
        tty.setcbreak(keyboard, termios.TCSANOW)  # the answer comes as if it were typed: not to be shown
        os.write(display, b"\x1b[c")
        while not re.search(rb"\x1b\[\?[\d;]*c", answer):
            if not select.select([keyboard], [], [], max(0.0, end - time.monotonic()))[0]:
                break
            answer += os.read(keyboard, 256)
    finally:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)
    match = re.search(rb"\x1b\[\?([\d;]*)c", answer)
    return match is not None and b"4" in match[1].split(b";")[1:]


def kitty(image: Any) -> str:
    """An image of Pillow as kitty's escape codes.

    >>> from PIL import Image
    >>> kitty(Image.new("L", (2, 2)))[:16]
    '\\x1b_Ga=T,f=100,m=0'
    """
    file = io.BytesIO()
    image.save(file, "PNG")
    text = base64.b64encode(file.getvalue()).decode()
    pieces = [text[n:n + PIECE] for n in range(0, len(text), PIECE)]
    codes = []
    for n, piece in enumerate(pieces):
        first = "a=T,f=100," if n == 0 else ""  # show it at once; it is a PNG file
        codes.append(f"\x1b_G{first}m={int(n < len(pieces) - 1)};{piece}\x1b\\")
    return "".join(codes)


def sixel(image: Any) -> str:
    """An image of Pillow in grey as sixels.

    >>> from PIL import Image
    >>> sixel(Image.new("L", (2, 2), 255)).encode()
    b'\\x1bP0;1;0q"1;1;2;2#63;2;100;100;100#63BB$-\\x1b\\\\'
    """
    levels = (np.asarray(image.convert("L")).astype(int) * (GREYS - 1) + 127) // 255
    H, W = levels.shape
    codes = [f'\x1bP0;1;0q"1;1;{W};{H}']
    for level in np.unique(levels):
        share = round(100 * level / (GREYS - 1))
        codes.append(f"#{level};2;{share};{share};{share}")
    for top in range(0, H, 6):
        band = levels[top:top + 6]
        weights = 1 << np.arange(len(band))[:, None]
        for level in np.unique(band):
            row = ((band == level) * weights).sum(0)
            codes.append(f"#{level}" + "".join(_run(chr(63 + bits), len([*same]))
                                               for bits, same in groupby(row.tolist())) + "$")
        codes.append("-")
    return "".join([*codes, "\x1b\\"])


def _run(character: str, count: int) -> str:
    """A character several times: ``!5A`` is AAAAA."""
    return f"!{count}{character}" if count > 3 else character * count
