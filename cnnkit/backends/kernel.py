"""Kernels: what a kernel table holds, the kinds of kernel, and the one loop that tries them.

A kernel is a function that serves a call or declines it: ``kernel(*arguments, **settings)`` returns the
result of its kind, or ``NotImplemented``. Five kinds have a declared signature (`KINDS`). Kernels of
every kind are called through `ask`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cnnkit.backends.state import local

__all__ = ["KERNEL_KINDS", "KINDS", "Call", "Kernel", "Kind", "ask", "chose", "declare_kernel", "decline"]


class Kernel(Protocol):
    """A function that serves a call of its kind, or returns ``NotImplemented`` (see `decline`)."""

    def __call__(self, *arguments: Any, **settings: Any) -> Any: ...


class Call(Protocol):
    """One op of a chain, as passed to the chain's kernel.

    Attributes
    ----------
    op : Op
        The op, with its ``name`` and ``role``.
    attrs : mapping
        The op's attributes.
    count : int
        How many of the kernel's arrays are this op's: all its arrays for the first op of a chain, all but the
        first for the others, whose first array is the result of the op before.
    """

    @property
    def op(self) -> Any: ...

    @property
    def attrs(self) -> Mapping[str, Any]: ...

    @property
    def count(self) -> int: ...


@dataclass(frozen=True)
class Kind:
    """A kind of kernel: what it is called with, and what it returns when it serves the call."""

    name: str
    signature: str
    result: str


OP = Kind("op", "kernel(*arrays, needs, **attrs)", "(outputs, backward)")
CHAIN = Kind("chain", "kernel(*arrays, needs, calls)", "(outputs, backward)")
UPDATE = Kind("update", "kernel(params, grads, state, *, workspace, **hyper)", "(new_params, new_state)")
DRAW = Kind("draw", "kernel(key, shape, device)", "array of int32")
LOOK_UP = Kind("look-up", "kernel(images, values, device)", "array of float32")
KINDS = {kind.name: kind for kind in (OP, CHAIN, UPDATE, DRAW, LOOK_UP)}

# name of every kernel that cnnkit looks up -> its kind; chains have patterns, not names
KERNEL_KINDS: dict[str, Kind] = {}


def declare_kernel(name: str, kind: Kind) -> None:
    """Declare that cnnkit looks up kernels called `name`, and of which kind they are.

    Raises
    ------
    ValueError
        If the name is declared already.
    """
    if name in KERNEL_KINDS:
        raise ValueError(f"a kernel called {name!r} is declared already, as {KERNEL_KINDS[name].name}")
    KERNEL_KINDS[name] = kind


def ask(kernels: Iterable[Kernel], arguments: Sequence[Any], settings: Mapping[str, Any]) -> Any:
    """The result of the first kernel that serves the call; ``NotImplemented`` where none does.

    >>> ask([lambda x: decline("x is negative") if x < 0 else "root", lambda x: "anything"], (-1,), {})
    'anything'
    """
    for kernel in kernels:
        result = kernel(*arguments, **settings)
        if result is not NotImplemented:
            return result
    return NotImplemented


def decline(reason: str) -> Any:
    """What a kernel returns for a call that it does not serve; `cnnkit.explain` shows the reason.

    Plain ``NotImplemented`` does as well, and gives no reason.

    >>> decline("float64")
    NotImplemented
    """
    local.declined = reason
    return NotImplemented


def chose(algorithm: str) -> None:
    """Say by which of its algorithms a kernel serves a call, for `cnnkit.explain`.

    >>> chose("winograd 4x4")
    """
    local.algorithm = algorithm
