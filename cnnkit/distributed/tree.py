"""Shards and the tree in which they are added: the same sums, whoever owns which shard.

Floating-point numbers give another sum in another order, so the order is fixed: a binary tree over the
shards. A node (level, index) stands for the shards from ``index * 2**level`` to before
``(index + 1) * 2**level``, as far as there are so many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

__all__ = ["Node", "TreeSum", "combine", "nodes_of", "owned", "sizes_of"]

Node = tuple[int, int]
T = TypeVar("T")


def sizes_of(count: int, shards: int) -> list[int]:
    """How many of `count` samples each shard gets: as equal as can be, the first ones more.

    >>> sizes_of(10, 4), sizes_of(2, 4)
    ([3, 3, 2, 2], [1, 1, 0, 0])
    """
    size, more = divmod(count, shards)
    return [size + (shard < more) for shard in range(shards)]


def owned(shards: int, rank: int, ranks: int) -> range:
    """The shards of a rank: neighbours, dealt as equally as can be.

    >>> [list(owned(8, rank, 3)) for rank in range(3)]
    [[0, 1], [2, 3, 4], [5, 6, 7]]
    """
    return range(shards * rank // ranks, shards * (rank + 1) // ranks)


def nodes_of(part: range, shards: int) -> list[Node]:
    """The fewest nodes of the tree that make up a rank's shards, from left to right.

    >>> nodes_of(range(3, 6), 8), nodes_of(range(0, 8), 8), nodes_of(range(4, 6), 6)
    ([(0, 3), (1, 2)], [(3, 0)], [(2, 1)])
    """
    found: list[Node] = []
    shard = part.start
    while shard < part.stop:
        level = 0
        while True:
            size = 2 << level
            whole = shard % size == 0 and (shard + size <= part.stop or part.stop == shards)
            if not whole or size >> 1 >= shards:
                break
            level += 1
        found.append((level, shard >> level))
        shard = min(shard + (1 << level), shards)
    return found


def combine(parts: Mapping[Node, T], shards: int, add: Callable[[T, T], T]) -> T:
    """The sum over all shards of what stands at some nodes, which together have each shard once.

    >>> combine({(0, 0): "a", (0, 1): "b", (0, 2): "c"}, 3, lambda x, y: f"({x}+{y})")
    '((a+b)+c)'
    """
    def total(level: int, index: int) -> T:
        if (level, index) in parts:
            return parts[level, index]
        if level == 0:
            raise ValueError(f"nobody has shard {index} of {shards}")
        left, right = 2 * index, 2 * index + 1
        if right << (level - 1) >= shards:
            return total(level - 1, left)
        return add(total(level - 1, left), total(level - 1, right))
    return total((shards - 1).bit_length(), 0)


class TreeSum(Generic[T]):
    """Adds what the shards of a rank give, one after the other, with few intermediate sums at a time.

    Parameters
    ----------
    shards : int
        How many there are on all ranks.
    add : callable
        ``add(left, right)`` gives the sum; it may reuse what `left` is made of.

    >>> adding = TreeSum(4, lambda x, y: f"({x}+{y})")
    >>> for shard, value in enumerate("abcd"):
    ...     adding.put(shard, value)
    >>> adding.parts
    {(2, 0): '((a+b)+(c+d))'}
    """

    add: Callable[..., T]
    shards: int

    def __init__(self, shards: int, add: Callable[[T, T], T]):
        self.shards, self.add = shards, add
        self.parts: dict[Node, T] = {}

    def put(self, shard: int, value: T) -> None:
        """Take the next shard's value, and add what can be added."""
        level, index = 0, shard
        while (1 << level) < self.shards:
            if index % 2:
                left = self.parts.pop((level, index - 1), None)
                if left is None:
                    break
                value = self.add(left, value)
            elif (index + 1) << level < self.shards:  # its right neighbour comes later
                break
            level, index = level + 1, index // 2
        self.parts[level, index] = value
