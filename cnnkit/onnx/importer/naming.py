"""ONNX's names as names of attributes: any text may name a tensor, and dots make modules within modules."""

from __future__ import annotations

import re

from cnnkit import nn

__all__ = ["Names"]

DEEPEST = 12  # modules within modules
LONGEST = 200  # letters of a name
_TAKEN = frozenset(dir(nn.Module())) | {"gives_probabilities", "inputs", "metadata", "outputs"}


class Names:
    """Legal dotted names, each once: ``onnx::Conv_284`` becomes ``onnx__Conv_284``.

    >>> names = Names()
    >>> [names.legal(name) for name in ("layer1.0.weight", "onnx::Conv_284", "onnx:_Conv_284", "train", "")]
    ['layer1.0.weight', 'onnx__Conv_284', 'onnx__Conv_284_1', 'train_', '_']
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}  # the last one behind a name that was taken
        self._leaves: set[str] = set()
        self._inner: set[str] = set()

    def legal(self, name: str, dots: bool = True) -> str:
        """The name's legal form, which is no other's; without `dots` these become underscores too."""
        parts = name[:LONGEST].split(".") if dots and name.count(".") < DEEPEST else [name[:LONGEST]]
        parts = [re.sub(r"\W", "_", part) or "_" for part in parts]
        parts = [f"{part}_" if part in _TAKEN else part for part in parts]
        wanted = "_".join(parts)
        while True:
            path = ".".join(parts)
            above = {".".join(parts[:n]) for n in range(1, len(parts))}
            if path not in self._leaves and path not in self._inner and not above & self._leaves:
                break
            self._numbers[wanted] = number = self._numbers.get(wanted, 0) + 1
            parts = [f"{wanted}_{number}"]  # beside whatever is in the way
        self._leaves.add(path)
        self._inner |= above
        return path
