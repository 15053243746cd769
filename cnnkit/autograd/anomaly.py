"""PyTorch's search for NaN in gradients: which op's backward was the first to make one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cnnkit.autograd.tape import Node
from cnnkit.backends import namespace_of, on

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]

_plain: Callable[..., Sequence[Any]] = Node.gradients


def _checked(node: Node, dys: list[Any], retain_graph: bool) -> Sequence[Any]:
    """`Node.gradients`, and a look at what it gives."""
    dxs = _plain(node, dys, retain_graph)
    for position, dx in enumerate(dxs):
        if dx is None:
            continue
        xp = namespace_of(dx)
        with on(dx):
            if xp.isdtype(dx.dtype, "real floating") and bool(xp.any(xp.isnan(dx))):
                raise RuntimeError(f"the gradient of {node.name} for its input number {position} has NaN")
    return dxs


def is_anomaly_enabled() -> bool:
    """Whether `set_detect_anomaly` has been switched on."""
    return Node.gradients is _checked


class set_detect_anomaly:
    """Raise an error where a gradient becomes NaN, for the whole process; as a context manager, for a block.

    It reads every gradient, which makes backward slower. A captured step is checked when it is recorded, not
    when it is replayed.

    Parameters
    ----------
    mode : bool
        Whether to look.
    check_nan : bool
        False: do not look after all.

    >>> import cnnkit
    >>> x = cnnkit.zeros(1, requires_grad=True)
    >>> with set_detect_anomaly(True):
    ...     (x * cnnkit.nan).sum().backward()
    Traceback (most recent call last):
        ...
    RuntimeError: the gradient of mul for its input number 0 has NaN
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self.before: Callable[..., Sequence[Any]] = Node.gradients
        Node.gradients = _checked if mode and check_nan else _plain  # type: ignore

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        Node.gradients = self.before  # type: ignore


class detect_anomaly:
    """A block in which a gradient that becomes NaN is an error; see `set_detect_anomaly`.

    >>> with detect_anomaly():
    ...     is_anomaly_enabled()
    True
    """

    def __init__(self, check_nan: bool = True):
        self.check_nan = check_nan

    def __enter__(self) -> None:
        self._setting = set_detect_anomaly(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        self._setting.__exit__(*exc)
