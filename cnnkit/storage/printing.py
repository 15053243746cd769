"""Text from files as a terminal can be given it: what would command the terminal becomes an escape."""

from __future__ import annotations

import re

__all__ = ["printable"]

# control characters (C0, DEL, C1), lone surrogates, and what turns the direction of text or ends a line
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, keep: str = "") -> str:
    r"""A text without control characters: each becomes an escape, such as ``\x1b``; all others stay.

    Parameters
    ----------
    text : str
        It may hold bytes that are no UTF-8, which Python keeps as lone surrogates.
    keep : str
        Control characters that stay, such as ``"\n"``.

    >>> print(printable("cat\x1b[2J\n"), printable("café\n", keep="\n"), end="")
    cat\x1b[2J\n café
    """
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else
                            found[0].encode("unicode_escape").decode("ascii"), text)
