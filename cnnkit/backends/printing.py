"""How Tensors are printed: the options of PyTorch's ``set_printoptions``."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["set_printoptions", "text_of"]

DEFAULTS: dict[str, Any] = {"threshold": 200}  # all else as NumPy prints
PROFILES: dict[str, dict[str, Any]] = {
    "default": {}, "short": {"precision": 2, "threshold": 1000, "edgeitems": 2}, "full": {"threshold": 2**62}}
_options = dict(DEFAULTS)


def set_printoptions(precision: int | None = None, threshold: float | None = None,
                     edgeitems: int | None = None, linewidth: int | None = None, profile: str | None = None,
                     sci_mode: bool | None = None) -> None:
    """Say how Tensors are printed from now on; what is not given stays as it is.

    Parameters
    ----------
    precision : int, optional
        Most digits behind the point.
    threshold : float, optional
        How many elements are printed whole; 200 at first.
    edgeitems : int, optional
        How many elements of each axis are printed at its ends, where they are not printed whole.
    linewidth : int, optional
        Characters a line.
    profile : {"default", "short", "full"}, optional
        Go back to the first options, but for those of the profile; before the others are set. As in
        PyTorch, another one changes nothing.
    sci_mode : bool, optional
        Write floats with an exponent, or never.

    >>> import cnnkit
    >>> set_printoptions(precision=2, sci_mode=False)
    >>> cnnkit.tensor([0.123456, 1e-7])
    tensor([0.12, 0.  ])
    >>> set_printoptions(profile="default")
    """
    if profile in PROFILES:
        _options.clear()
        _options.update({**DEFAULTS, **PROFILES[profile]})
    numbers = {"precision": precision, "edgeitems": edgeitems, "max_line_width": linewidth,
               "threshold": None if threshold is None else int(min(threshold, 2**62))}
    _options.update({name: value for name, value in numbers.items() if value is not None})
    if sci_mode is not None:
        _options["suppress_small"] = not sci_mode
        _options["formatter"] = {"float_kind": _scientific} if sci_mode else None


def _scientific(value: Any) -> str:
    return np.format_float_scientific(value, precision=_options.get("precision", 4), unique=False)


def text_of(values: np.ndarray, prefix: str = "") -> str:
    """The values as they are printed; `prefix` is the text before them on the first line.

    >>> text_of(np.zeros(2))
    '[0., 0.]'
    """
    return np.array2string(values, separator=", ", prefix=prefix, **_options)
