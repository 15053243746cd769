"""Cases of pixels looked up in a table of values."""

from __future__ import annotations

from cnnkit.conformance.kinds.look_up import LookUpCase

__all__ = ["CASES"]

CASES = (
    LookUpCase("gray", (2, 1, 6, 5)),
    LookUpCase("gray-without-channel-axis", (3, 5, 4)),
    LookUpCase("color", (2, 3, 7, 5)),
    LookUpCase("every-pixel-value", (1, 2, 16, 16)),
    LookUpCase("odd-size", (1, 3, 13, 11)),
    LookUpCase("many-channels", (2, 9, 3, 2)),
    LookUpCase("one-pixel", (1, 3, 1, 1)),
    LookUpCase("one-row", (2, 3, 1, 37)),
    LookUpCase("batch-0", (0, 3, 4, 4)),
    LookUpCase("batch-0-without-channel-axis", (0, 4, 4)),
)
