"""einsum: products and sums over axes that are named by letters."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from cnnkit.autograd.calling import apply
from cnnkit.autograd.casting import LOWER, runs_in
from cnnkit.autograd.functions.diagonals import diagonal
from cnnkit.autograd.value import Value
from cnnkit.ops import elementwise, matmul, reduction, shaping

if TYPE_CHECKING:
    from cnnkit.autograd.tensors import Tensor

__all__ = ["einsum"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
Named = tuple[Any, list[Any]]  # a Tensor, and each of its axes' names: letters, or numbers of the ellipsis


@runs_in(LOWER)
def einsum(*args: Any) -> Tensor:
    """Products of Tensors summed over axes: ``einsum("ij,jk->ik", x, y)`` is ``x @ y``.

    Parameters
    ----------
    equation : str
        A letter for each axis of each Tensor, with commas between the Tensors; ``...`` stands for any axes,
        which broadcast. A letter that comes twice in one Tensor takes its diagonal. After ``->`` come the
        axes of the result; without it, those of ``...`` and then the letters that come once, in alphabetical
        order.
    *operands : Tensor
        One for each part, or one list of them. They are multiplied from the left to the right. Or, without an
        equation, each Tensor is followed by its axes, ``einsum(x, [0, 1], y, [1, 2], [0, 2])``.

    Raises
    ------
    RuntimeError
        If the equation does not fit the Tensors.

    >>> import cnnkit
    >>> x = cnnkit.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> cnnkit.einsum("ij,kj->ik", x, x)
    tensor([[ 5., 11.],
            [11., 25.]])
    >>> cnnkit.einsum("ii", x)
    tensor(5.)
    """
    parts, result, operands = _read(args)
    named, ellipsis = _named(parts, operands)
    if result is None:
        count = Counter(name for part in parts for name in part if name != "...")
        result = ["...", *sorted((n for n, times in count.items() if times == 1), key=LETTERS.index)]
    output: list = []
    for name in result:
        output += range(-ellipsis, 0) if name == "..." else [name]
    known = {name for _, names in named for name in names}
    if len(set(output)) < len(output) or not known.issuperset(output):
        raise RuntimeError(f"einsum got a result with the axes {_text(result)}: each may come once, and must "
                           "be an axis of a Tensor")
    named = _without_stretched(named)
    current = _summed(named[0], output, named[1:])
    for position in range(1, len(named)):
        later = named[position + 1:]
        current = _contracted(current, _summed(named[position], [*output, *current[1]], later), output, later)
    x, names = current
    for name in output:  # an axis of size 1 that all others stretch
        if name not in names:
            x, names = x.unsqueeze(0), [name, *names]
    return apply(shaping.permute, x, axes=tuple([names.index(name) for name in output]))


# -- the equation --------------------------------------------------------------------------------------------

def _read(args: tuple) -> tuple[list, list | None, list]:
    """The names of each Tensor's axes, those of the result (``None``: not given), and the Tensors."""
    if not args:
        raise ValueError("einsum needs an equation and at least one Tensor")
    if isinstance(args[0], str):
        operands = list(args[1]) if len(args) == 2 and isinstance(args[1], tuple | list) else list(args[1:])
        inputs, arrow, result = args[0].replace(" ", "").partition("->")
        parts = [_letters(part) for part in inputs.split(",")]
        given = _letters(result) if arrow else None
    else:
        operands, sublists = list(args[::2]), [_sublist(a) for a in args[1::2]]
        given = _sublist(operands.pop()) if len(args) % 2 else None
        parts = sublists
    if not operands:
        raise ValueError("einsum needs at least one Tensor")
    if len(parts) != len(operands) or not all(isinstance(x, Value) for x in operands):
        raise RuntimeError(f"einsum needs as many Tensors as its equation has parts; got {len(operands)} for "
                           f"{len(parts)}: {', '.join(map(_text, parts))}")
    return parts, given, operands


def _letters(part: str) -> list[str]:
    names, dots, rest = part.partition("...")
    found = [*names, *(["..."] if dots else []), *rest]
    if not all(name == "..." or name in LETTERS for name in found):
        raise RuntimeError(f"einsum names axes by letters, and others together by ...; got {part!r}")
    return found


def _sublist(axes: Any) -> list[str]:
    found = ["..." if a is Ellipsis else LETTERS[a] if 0 <= a < len(LETTERS) else "" for a in axes]
    if "" in found:
        raise RuntimeError(f"einsum numbers axes from 0 to {len(LETTERS) - 1}; got {list(axes)}")
    return found


def _text(names: Any) -> str:
    return "".join(map(str, names)) or "none"


def _named(parts: list, operands: list) -> tuple[list[Named], int]:
    """Each Tensor with a name for each axis, the diagonals taken; and how many axes the ellipsis has."""
    ellipsis, found = 0, []
    sizes: dict = {}
    for part, x in zip(parts, operands):
        extra = x.ndim - (len(part) - 1) if "..." in part else 0
        if extra < 0 or (not extra and "..." not in part and len(part) != x.ndim):
            raise RuntimeError(f"einsum got the axes {_text(part)} for a Tensor of shape {x.shape}")
        ellipsis = max(ellipsis, extra)
        names: list = []
        for name in part:
            names += range(-extra, 0) if name == "..." else [name]  # the last axes of all are the same
        for name, n in zip(names, x.shape):
            known = sizes.setdefault(name, n)
            if 1 not in (n, known) and n != known:
                raise RuntimeError(f"einsum got sizes {known} and {n} for the axis {_text([name])} in "
                                   f"{', '.join(map(_text, parts))}")
            sizes[name] = max(known, n) if 0 not in (n, known) else 0
        for name in [n for n, times in Counter(names).items() if times > 1]:
            while names.count(name) > 1:
                first = names.index(name)
                second = names.index(name, first + 1)
                if x.shape[first] != x.shape[second]:
                    raise RuntimeError("einsum takes the diagonal of axes of one size; "
                                       f"got shape {x.shape} for {_text(part)}")
                x = diagonal(x, 0, first, second)
                names = [n for i, n in enumerate(names) if i not in (first, second)] + [name]
        found.append((x, names))
    return found, ellipsis


# -- the products --------------------------------------------------------------------------------------------

def _without_stretched(named: list[Named]) -> list[Named]:
    """The Tensors without axes of size 1 that another Tensor's axis of the same name stretches."""
    sizes: dict = {}
    for x, names in named:
        for name, n in zip(names, x.shape):
            sizes[name] = n if sizes.get(name, 1) == 1 else sizes[name]
    result = []
    for x, names in named:
        kept = [i for i, (name, n) in enumerate(zip(names, x.shape)) if n == sizes[name]]
        result.append((apply(shaping.reshape, x, shape=tuple([x.shape[i] for i in kept])),
                       [names[i] for i in kept]))
    return result


def _summed(operand: Named, output: list, later: list[Named]) -> Named:
    """A Tensor summed over the axes that nothing else has."""
    x, names = operand
    needed = {*output, *(name for _, others in later for name in others)}
    gone = tuple([i for i, name in enumerate(names) if name not in needed])
    if not gone:
        return operand
    return (apply(reduction.sum, x, axis=gone, keepdims=False), [name for name in names if name in needed])


def _contracted(a: Named, b: Named, output: list, later: list[Named]) -> Named:
    """The product of two Tensors, summed over the axes that only they have: one matmul."""
    (x, first), (y, second) = a, b
    needed = {*output, *(name for _, others in later for name in others)}
    both = [name for name in first if name in second]
    batch, gone = [n for n in both if n in needed], [n for n in both if n not in needed]
    left, right = [n for n in first if n not in both], [n for n in second if n not in both]
    sizes = {**dict(zip(first, x.shape)), **dict(zip(second, y.shape))}

    def arranged(x: Any, names: list, *groups: list) -> Any:
        order = tuple([names.index(name) for group in groups for name in group])
        shape = tuple([math.prod([sizes[name] for name in group]) for group in groups])
        return apply(shaping.reshape, apply(shaping.permute, x, axes=order), shape=shape)
    op = matmul.matmul if gone else elementwise.mul
    z = apply(op, arranged(x, first, batch, left, gone), arranged(y, second, batch, gone, right))
    names = [*batch, *left, *right]
    z = apply(shaping.reshape, z, shape=tuple([sizes[name] for name in names]))
    return _summed((z, names), output, later)
