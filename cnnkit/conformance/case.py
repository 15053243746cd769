"""The one protocol of all cases: what the runner, the report and the support table know of a case.

The kit has four kinds, in `cnnkit.conformance.kinds`: calls of ops and of fused chains of ops (`OpCase`),
steps of an optimizer (`UpdateCase`), random draws (`DrawCase`) and batches of pixels (`LookUpCase`). A
plug-in whose tables hold something else brings cases of its own: any object with the four members of `Case`
goes into ``run(backend, cases=...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from cnnkit.conformance.target import Target

__all__ = ["GENERIC", "NOT_SERVED", "Case", "Check", "Key", "Served"]

Key = str | tuple[str, ...]  # of a kernel table: a name, or the names of the ops that a fused kernel runs
Check = Callable[[Any, "Target"], None]  # check(case, target) raises AssertionError and says what is wrong


class Served(NamedTuple):
    """Who served a case.

    Attributes
    ----------
    how : str
        ``native`` (a kernel), ``declined`` (there are kernels, and all returned ``NotImplemented``),
        ``generic`` (there is no kernel; the generic implementation did it), or ``not served`` (there is no
        kernel, and nothing generic).
    tables : str
        The kernel table that served it, or those that declined it.
    """

    how: str
    tables: str = ""


GENERIC = Served("generic")
NOT_SERVED = Served("not served")


class Case(Protocol):
    """Something that every backend must get right, as a plug-in may write it too.

    A case is immutable and belongs to no backend: it draws the same numbers each time, and makes arrays of
    them on the `Target` that it is given. The target is in use (``with target.entered()``) whenever a member
    is called with it.

    Examples
    --------
    A case of a kernel called ``double`` that a plug-in's table may have:

    >>> from cnnkit import conformance
    >>> from cnnkit.conformance.kernels import serving, who_serves
    >>> import numpy as np
    >>> def double(x, target):
    ...     kernels = serving("double", target.tables)
    ...     return kernels[0](x) if kernels else x + x
    >>> def check_doubled(case, target):
    ...     y = double(case.input(target), target)
    ...     assert target.to_numpy(y).tolist() == [0, 2, 4], "it is not doubled"
    >>> class Doubling:
    ...     id, kernel, checks = "double-three-numbers", "double", (check_doubled,)
    ...     def input(self, target):
    ...         return target.asarray(np.arange(3.0))
    ...     def served(self, target):
    ...         return who_serves(self.kernel, target, lambda kernel: kernel(self.input(target)))
    >>> conformance.run("numpy", cases=[Doubling()]).lines()[-1]
    'numpy: 1 cases passed, 0 failed, 0 declared gaps; 1 generic'
    """

    @property
    def id(self) -> str:
        """The case's name in reports and declared gaps: the kernel, a hyphen, what is special about it."""

    @property
    def kernel(self) -> Key:
        """The kernel that the case tests: a name, or the chain of ops that a fused kernel runs."""

    @property
    def checks(self) -> Sequence[Check]:
        """The checks that the case must pass, in the order in which a failure is easiest to understand."""

    def served(self, target: Target) -> Served:
        """The kernel table that serves the case: call the kernels with its inputs, in the dispatcher's order.

        `cnnkit.conformance.kernels.who_serves` does this for a function that calls one kernel.
        """
