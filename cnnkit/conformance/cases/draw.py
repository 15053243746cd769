"""Cases of random bits."""

from __future__ import annotations

from cnnkit.conformance.kinds.draw import DrawCase

__all__ = ["CASES"]

CASES = (
    DrawCase("scalar", (1, 2), ()),
    DrawCase("none", (1, 2), (0, 3)),
    DrawCase("odd-count", (0, 2**32 - 1), (7,)),
    DrawCase("map", (2**31, 5), (2, 3, 5)),
    DrawCase("some-hundred", (0x13198A2E, 0x03707344), (301,)),
)
