"""The inverse question: which kernel, stride or padding gives a requested output size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from cnnkit.shapes.windows import Pair, axis_pads, pads, per_axis, window_count

_UNKNOWNS = ("kernel_size", "stride", "padding")


class Solution(NamedTuple):
    """One answer of `solve`: arguments of `output_size`, or of `output_length` where `size` is an integer."""

    size: Any
    output_size: Any
    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any
    solved: tuple[str, ...]  # the names of the arguments that were solved for

    def __str__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.solved)
        fixed = [f"{name}={getattr(self, name)!r}" for name in _UNKNOWNS if name not in self.solved]
        fixed += [f"dilation={self.dilation}"] if self.dilation != 1 else []
        return (f"{values} {'gives' if len(self.solved) == 1 else 'give'} {self.output_size} from {self.size}"
                + (f" with {', '.join(fixed)}" if fixed else ""))


def solve(size: Any, output_size: Any, kernel_size: Any = None, stride: Any = None, padding: Any = None,
          dilation: Any = 1, limit: int = 8) -> list[Solution]:
    """Which kernel size, stride or padding gives a requested output size.

    Arguments that are ``None`` are solved for. The most usual answer comes first: padding that is equal at
    both ends, no pixel skipped between windows, an odd kernel, small numbers. Of the paddings that work with
    one kernel and stride, only the smallest equal one and the smallest unequal one are listed, each end
    shorter than the kernel's span.

    Parameters
    ----------
    size, output_size : int or pair of int
        Along one axis, or ``(H, W)`` and ``(P, Q)``. For a pair, answers that are the same on both axes come
        alone if there are any.
    kernel_size, stride, padding : optional
        Known values, as in `output_size` (in `output_length` where `size` is an integer).
    dilation : int or pair of int
        Of the kernel.
    limit : int
        How many answers to list at most.

    Returns
    -------
    list of Solution
        Empty if there is none.

    Raises
    ------
    ValueError
        If nothing is ``None``.

    >>> print(*solve(28, 28, kernel_size=3, stride=1))
    padding=1 gives 28 from 28 with kernel_size=3, stride=1
    >>> for solution in solve((28, 56), (14, 28), padding=1, limit=2):
    ...     print(solution)
    kernel_size=3, stride=2 give (14, 28) from (28, 56) with padding=1
    kernel_size=4, stride=2 give (14, 28) from (28, 56) with padding=1
    """
    if None not in (kernel_size, stride, padding):
        raise ValueError("solve has nothing to solve for: leave kernel_size, stride or padding as None")
    solved = tuple(name for name, v in zip(_UNKNOWNS, (kernel_size, stride, padding)) if v is None)
    n, o, d = per_axis(size, "size"), per_axis(output_size, "output_size"), per_axis(dilation, "dilation")
    k = (None, None) if kernel_size is None else per_axis(kernel_size, "kernel_size")
    s = (None, None) if stride is None else per_axis(stride, "stride")
    by_name = padding is None or isinstance(padding, str)
    if not isinstance(size, Iterable):
        return solve_axis(n[0], o[0], k[0], s[0],
                          padding if by_name else axis_pads(padding, 0, 1, 1, 1), d[0])[:limit]
    rows, columns = (solve_axis(*axis)
                     for axis in zip(n, o, k, s, (padding,) * 2 if by_name else pads(padding, n, 1), d))
    by_settings = {tuple(getattr(b, name) for name in solved): b for b in columns}
    pairs = [(a, by_settings.get(tuple(getattr(a, name) for name in solved))) for a in rows]
    matching = [(a, b) for a, b in pairs if b is not None]
    if not matching:
        ranked = sorted((i + j, i, j) for i in range(len(rows[:limit])) for j in range(len(columns[:limit])))
        matching = [(rows[i], columns[j]) for _, i, j in ranked]
    return [Solution(n, o, _one_argument(a.kernel_size, b.kernel_size), _one_argument(a.stride, b.stride),
                     _one_argument(a.padding, b.padding), _one_argument(a.dilation, b.dilation), solved)
            for a, b in matching[:limit]]


def solve_axis(n: int, o: int, k: int | None, s: int | None, padding: Any, d: int) -> list[Solution]:
    """The answers along one axis, the most usual first; `padding` may be ``None``, a pair or a word."""
    solved = tuple(name for name, v in zip(_UNKNOWNS, (k, s, padding)) if v is None)
    fixed_pads = padding if isinstance(padding, tuple) else None
    solutions = []
    for kernel in [k] if k is not None else range(1, (max(n, o) + sum(fixed_pads or ()) - 1) // d + 2):
        span = d * (kernel - 1) + 1
        # pixels after the first window, with the largest possible padding
        slack = n + (sum(fixed_pads) if fixed_pads else 2 * (span - 1)) - span
        # a single window needs no stride, unless the kernel is given and too small to take up the rest
        max_step = slack // (o - 1) if o > 1 else 1 if k is None else slack + 1
        for step in [s] if s is not None else range(1, max_step + 1):
            if padding is not None:
                candidates = [axis_pads(padding, n, kernel, step, d)]
            else:
                low = max((o - 1) * step + span - n, 0)
                totals = range(low, min((o - 1) * step + span - n + step, 2 * span - 1))[:2]
                candidates = [(total // 2, total - total // 2) for total in totals]
            for before, after in candidates:
                if window_count(n, kernel, step, before, after, d, False) == o:
                    rank = (before != after, step > span, kernel % 2 == 0, kernel + step + before + after)
                    solutions.append((rank, kernel, step, (before, after)))
    return [Solution(n, o, kernel, step, padding if isinstance(padding, str) else collapsed(pad), d, solved)
            for _, kernel, step, pad in sorted(solutions)]


def collapsed(values: Pair) -> Any:
    return values[0] if values[0] == values[1] else values


def _one_argument(a: Any, b: Any) -> Any:
    """The two axes' values as one argument: a single number where they are equal."""
    return a if a == b and not isinstance(a, tuple) else (a, b)
