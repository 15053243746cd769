"""The NumPy backend: arrays are ``numpy.ndarray``, and `cnnkit_numpy.kernels` are its fast ops."""

from __future__ import annotations

from typing import Any

import numpy

from cnnkit.backends import ArrayAPIBackend


class NumPy20:
    """NumPy 2.0's namespace with the standard's functions that it lacks, and an ``astype`` for scalars."""

    def __getattr__(self, name: str) -> Any:
        import array_api_compat.numpy as compat

        return getattr(compat, name)

    @staticmethod
    def astype(x: Any, dtype: Any, copy: bool = True) -> Any:
        """`x`, an array or a scalar, in another dtype."""
        return numpy.asarray(x).astype(dtype, copy=copy)


class NumPyBackend(ArrayAPIBackend):
    """NumPy arrays: also the form in which data of other backends come from the host and go back."""

    host = True
    shares = (1,)


backend = NumPyBackend("numpy", NumPy20() if numpy.__version__.startswith("2.0.") else numpy,
                       ("numpy:ndarray", "numpy:generic"))
