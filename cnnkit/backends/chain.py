"""Chains of ops, and the patterns by which kernel tables name the chains that their kernels fuse.

A pattern is a tuple of names of ops or of roles, such as ``("conv", "norm?", "add?", "activation?",
"pool?")``; a question mark says that the op may be missing. The tree of all chains that a table's patterns
allow grows as calls are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cnnkit.backends.kernel import Kernel

__all__ = ["Chain", "Pattern"]

Pattern = tuple[str, ...]


class _Longer(dict[Any, "Chain | None"]):
    """A chain's extensions by one op, keyed by op; ``None`` where no pattern allows that op next."""

    def __init__(self, chain: Chain):
        self.chain = chain

    def __missing__(self, op: Any) -> Chain | None:
        return self.setdefault(op, self.chain.with_op(op))  # of two threads' chains both keep the first


class Chain:
    """Ops called one after the other: the kernels that fuse them, and the ops that may come next.

    Attributes
    ----------
    kernels : tuple of Kernel
        Those whose pattern the whole chain matches, in the order in which they are tried; empty where it
        is only the beginning of one.
    longer : mapping of Op to Chain or None
        The chain extended by that op.
    ended : bool
        Whether no pattern continues.
    names : tuple of str
        The names of its ops.
    """

    __slots__ = ("ended", "kernels", "longer", "names", "patterns", "progress")
    patterns: Sequence[tuple[Pattern, Kernel]]
    progress: list[tuple[int, int]]

    def __init__(self, patterns: Sequence[tuple[Pattern, Kernel]], progress: Iterable[tuple[int, int]],
                 names: tuple[str, ...] = ()):
        self.names: tuple[str, ...] = names
        # progress: (index of the pattern, how many of its names the chain has matched or skipped)
        self.patterns, self.progress = patterns, sorted(set(progress))
        self.longer: _Longer = _Longer(self)
        complete = dict.fromkeys(index for index, matched in self.progress
                                 if matched and all(map(_optional, patterns[index][0][matched:])))
        self.kernels: tuple[Kernel, ...] = tuple(patterns[index][1] for index in complete)
        self.ended: bool = all(matched == len(patterns[index][0]) for index, matched in self.progress)

    @classmethod
    def root(cls, patterns: Sequence[tuple[Pattern, Kernel]]) -> Chain:
        """The empty chain; the patterns are in the order in which their kernels are tried."""
        return cls(patterns, [(i, 0) for i in range(len(patterns))])

    def with_op(self, op: Any) -> Chain | None:
        """The chain with one more op; ``None`` where no pattern allows it, or the op has no `infer`."""
        if op.infer is None:
            return None
        progress = []
        for index, matched in self.progress:
            for position, name in enumerate(self.patterns[index][0][matched:], matched + 1):
                if name.rstrip("?") in (op.name, op.role):
                    progress.append((index, position))
                if not _optional(name):
                    break
        return Chain(self.patterns, progress, (*self.names, op.name)) if progress else None

    def along(self, ops: Iterable[Any]) -> list[Chain]:
        """The chains of the first 1, 2, ... of these ops after this chain, as far as patterns allow.

        >>> from cnnkit.ops import OPS
        >>> conv, add, relu = (OPS[name] for name in ("conv", "add", "relu"))
        >>> root = Chain.root([(("conv", "norm?", "add?", "activation?"), print)])
        >>> [len(chain.kernels) for chain in root.along((conv, add, relu))]
        [1, 1, 1]
        >>> root.along((relu,))
        []
        """
        chains, chain = [], self
        for op in ops:
            extended = chain.longer[op]
            if extended is None:
                break
            chains.append(extended)
            chain = extended
        return chains


def _optional(name: str) -> bool:
    return name.endswith("?")
