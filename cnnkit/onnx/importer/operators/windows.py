"""What convolution and pooling have in common: padding that is given, or follows from the sizes."""

from __future__ import annotations

from collections.abc import Sequence

from cnnkit.onnx.importer.declaration import Ints

__all__ = ["Pads", "pads_of", "sizes"]

Pads = tuple[tuple[int, int], ...]
AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def sizes(value: Ints | None, rank: int, name: str) -> Ints:
    """One number for each spatial axis; 1 by default.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    if value is None:
        return (1,) * rank
    if len(value) != rank or min(value, default=1) < 1:
        raise ValueError(f"{name} must be {rank} positive numbers, one for each spatial axis; got {value}")
    return value


def pads_of(auto_pad: str, pads: Ints | None, size: Sequence[int], kernel: Ints, strides: Ints,
            dilations: Ints) -> Pads:
    """Padding before and after each spatial axis, as ``auto_pad`` or ``pads`` says."""
    rank = len(size)
    if auto_pad not in AUTO_PADS:
        raise ValueError(f"auto_pad is one of {', '.join(AUTO_PADS)}; got {auto_pad!r}")
    if auto_pad == "VALID" or (auto_pad == "NOTSET" and pads is None):
        return ((0, 0),) * rank
    if auto_pad == "NOTSET":
        assert pads is not None
        if len(pads) != 2 * rank:
            raise ValueError(f"pads must be {2 * rank} numbers, the beginnings and the ends of {rank} axes; "
                             f"got {pads}")
        return tuple(zip(pads[:rank], pads[rank:]))
    amounts = []
    for n, k, s, d in zip(size, kernel, strides, dilations):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        less, more = total // 2, total - total // 2
        amounts.append((less, more) if auto_pad == "SAME_UPPER" else (more, less))
    return tuple(amounts)
