"""PyTorch's switches between algorithms, which change nothing: runs always repeat their bits.

`precision` says which algorithms kernels may take.
"""

from __future__ import annotations

import warnings

__all__ = ["are_deterministic_algorithms_enabled", "get_float32_matmul_precision",
           "set_float32_matmul_precision", "use_deterministic_algorithms"]

LEVELS = ("highest", "high", "medium")
_chosen = {"level": "highest", "deterministic": False}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Changes nothing: every backend's results depend on the numbers alone.

    >>> use_deterministic_algorithms(True)
    >>> are_deterministic_algorithms_enabled()
    True
    >>> use_deterministic_algorithms(False)
    """
    _chosen["deterministic"] = bool(mode)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` was told."""
    return bool(_chosen["deterministic"])


def set_float32_matmul_precision(precision: str) -> None:
    """Changes nothing: products of matrices are float32's own. For convolutions there is `cnnkit.precision`.

    As in PyTorch, another level is warned of, and changes nothing.

    >>> set_float32_matmul_precision("high")
    >>> get_float32_matmul_precision()
    'high'
    >>> set_float32_matmul_precision("highest")
    """
    if precision not in LEVELS:
        warnings.warn(f"precision must be one of {', '.join(LEVELS)}; got {precision!r}, which changes "
                      "nothing", stacklevel=2)
        return
    _chosen["level"] = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` was told."""
    return str(_chosen["level"])
