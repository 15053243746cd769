"""Chains of ops, and the patterns by which kernel tables name the chains that their kernels take in.

A pattern is a tuple of names of ops or of roles, such as ``("conv", "norm?", "add?", "activation?",
"pool?")``; a question mark says that the op may be missing. The tree of all chains that a table's patterns
allow is made as calls come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cnnkit.backends.kernel import Kernel

__all__ = ["Chain", "Pattern"]

Pattern = tuple[str, ...]


class _Longer(dict):
    """The chains that one more op makes of a chain, by op; ``None`` where no pattern goes on with it."""

    def __init__(self, chain: Chain):
        self.chain = chain

    def __missing__(self, op: Any) -> Chain | None:
        found = self[op] = self.chain.with_op(op)
        return found


class Chain:
    """Ops called one after the other: which kernels serve them as a whole, and by which ops they can go on.

    Attributes
    ----------
    kernels : tuple of Kernel
        Those whose pattern the chain matches, in the order in which they are asked; empty for a
        mere beginning.
    longer : mapping of Op to Chain or None
        What one more op makes of it.
    ended : bool
        Whether no pattern goes on.
    names : tuple of str
        Of its ops.
    """

    __slots__ = ("ended", "kernels", "longer", "names", "patterns", "places")

    def __init__(self, patterns: Sequence[tuple[Pattern, Kernel]], places: Iterable[tuple[int, int]],
                 names: tuple[str, ...] = ()):
        self.names = names
        # (pattern, how many of its names are behind us)
        self.patterns, self.places = patterns, sorted(set(places))
        self.longer = _Longer(self)
        serving = dict.fromkeys(i for i, at in self.places if at and all(map(_optional, patterns[i][0][at:])))
        self.kernels = tuple(patterns[i][1] for i in serving)
        self.ended = all(at == len(patterns[i][0]) for i, at in self.places)

    @classmethod
    def root(cls, patterns: Sequence[tuple[Pattern, Kernel]]) -> Chain:
        """The beginning of all chains, without an op; the patterns stand in the order in which their
        kernels are asked.
        """
        return cls(patterns, [(i, 0) for i in range(len(patterns))])

    def with_op(self, op: Any) -> Chain | None:
        """The chain with one more op; ``None`` where no pattern goes on with it, or the op does not tell its
        results' shapes.
        """
        if op.infer is None:
            return None
        places = []
        for i, at in self.places:
            for place, name in enumerate(self.patterns[i][0][at:], at + 1):
                if name.rstrip("?") in (op.name, op.role):
                    places.append((i, place))
                if not _optional(name):
                    break
        return Chain(self.patterns, places, (*self.names, op.name)) if places else None

    def along(self, ops: Iterable[Any]) -> list[Chain]:
        """The chains that these ops make one after the other from here, as far as patterns go.

        >>> from cnnkit.ops import OPS
        >>> conv, add, relu = (OPS[name] for name in ("conv", "add", "relu"))
        >>> root = Chain.root([(("conv", "norm?", "add?", "activation?"), print)])
        >>> [len(chain.kernels) for chain in root.along((conv, add, relu))]
        [1, 1, 1]
        >>> root.along((relu,))
        []
        """
        found, chain = [], self
        for op in ops:
            longer = chain.longer[op]
            if longer is None:
                break
            found.append(longer)
            chain = longer
        return found


def _optional(name: str) -> bool:
    return name.endswith("?")
