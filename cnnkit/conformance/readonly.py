"""NumPy whose new arrays cannot be written: no generic op and no layer may write into its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnkit.backends import ArrayAPIBackend

__all__ = ["ReadOnlyNumPy"]


class ReadOnlyNumPy(ArrayAPIBackend):
    """NumPy arrays with ``flags.writeable = False``, and generic ops only: no kernel table serves them."""

    def __init__(self) -> None:
        super().__init__("numpy-readonly", np, ("numpy:ndarray", "numpy:generic"), "numpy")

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        array = super().asarray(data, dtype, device)
        array.flags.writeable = False
        return array
