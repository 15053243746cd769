"""Where the kit looks into kernel tables: which keys they have, and which kernels would serve a case.

Nothing else in the kit knows how a table is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cnnkit.backends.table import Tables
from cnnkit.conformance.case import GENERIC, Case, Key, Served
from cnnkit.ops.core import OPS, Op

if TYPE_CHECKING:
    from cnnkit.conformance.target import Target

__all__ = ["chain", "keys", "matches", "serving", "who_serves", "without_case", "written"]


def written(key: Key) -> str:
    """A key in one word.

    >>> written("relu"), written(("conv", "relu"))
    ('relu', 'conv+relu')
    """
    return "+".join(chain(key))


def chain(key: Key) -> tuple[str, ...]:
    """The names that a key is made of.

    >>> chain("relu"), chain(("conv", "relu"))
    (('relu',), ('conv', 'relu'))
    """
    return (key,) if isinstance(key, str) else key


def keys(tables: Tables) -> tuple[Key, ...]:
    """Every name and every pattern of the tables."""
    return (*tables.single, *dict.fromkeys(pattern for pattern, _ in tables.patterns))


def matches(key: Key, kernel: Key) -> bool:
    """Whether the kernel under a table's key would be asked for a case of `kernel`.

    >>> matches(("conv", "activation?"), ("conv", "relu")), matches("conv", ("conv", "relu"))
    (True, False)
    """
    if isinstance(key, str) or isinstance(kernel, str):
        return key == kernel
    has_ops = len(kernel) > 1 and all(name in OPS for name in kernel)
    return has_ops and bool(Tables.merged([("", {key: print})]).of_chain(ops_of(kernel)))


def ops_of(kernel: Key) -> list[Op]:
    """The ops of a chain."""
    return [OPS[name] for name in chain(kernel)]


def serving(kernel: Key, tables: Tables) -> tuple[Callable[..., Any], ...]:
    """The kernels that would be asked for a case of `kernel`, in the dispatcher's order."""
    return tables.of_chain(ops_of(kernel)) if isinstance(kernel, tuple) else tables.single.get(kernel, ())


def without_case(table: Iterable[Key], cases: Iterable[Case]) -> list[Key]:
    """Those of a table's keys that no case would reach.

    >>> from cnnkit.conformance.cases import DRAWS
    >>> without_case(["random_bits", ("relu", "tanh")], DRAWS)
    [('relu', 'tanh')]
    """
    kernels = dict.fromkeys(case.kernel for case in cases)
    return [key for key in table if not any(matches(key, kernel) for kernel in kernels)]


def who_serves(kernel: Key, target: Target, call: Callable[[Callable[..., Any]], Any]) -> Served:
    """Ask the kernels for a case of `kernel` in the dispatcher's order, until one does not decline.

    Parameters
    ----------
    kernel : str or tuple of str
        What `Case.kernel` says.
    target : Target
        In use.
    call : callable
        Calls the kernel that it is given as the case does, and returns what the kernel returned.

    Returns
    -------
    Served
        ``GENERIC`` where there is no kernel.
    """
    declined = []
    for function in serving(kernel, target.tables):
        owner = next(table.name for table in target.kernel_tables if any(
            function in (kernels if isinstance(kernels, tuple) else (kernels,)) and matches(key, kernel)
            for key, kernels in table.load().items()))
        if call(function) is not NotImplemented:
            return Served("native", owner)
        declined.append(owner)
    return Served("declined", ", ".join(declined)) if declined else GENERIC
