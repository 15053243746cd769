"""CuPy's Array API namespace with devices: array-api-compat's creation functions ignore ``device=``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

CREATE = ("arange", "empty", "eye", "full", "linspace", "ones", "zeros")
# without ``device=`` these use the device of their first argument, if it is CuPy's
LIKE = ("asarray", "empty_like", "full_like", "ones_like", "zeros_like")


class Namespace:
    """``array_api_compat.cupy``, whose creation functions make arrays on the device that they are given."""

    def __init__(self) -> None:
        self._compat = importlib.import_module("array_api_compat.cupy")
        for name in (*CREATE, *LIKE):
            setattr(self, name, _on_its_device(getattr(self._compat, name), name in LIKE))

    def where(self, condition: Any, x: Any, y: Any) -> Any:
        """CuPy makes float32 of bfloat16 here; so the bits are chosen, which is the same."""
        if _bfloat16(x) and _bfloat16(y):
            return self._compat.where(condition, x.view("uint16"), y.view("uint16")).view(x.dtype)
        return self._compat.where(condition, x, y)

    def matmul(self, x: Any, y: Any) -> Any:
        """CuPy has no product of many matrices of bfloat16; that of float32 is rounded once as well."""
        if (x.ndim > 2 or y.ndim > 2) and _bfloat16(x) and _bfloat16(y):
            return self._compat.matmul(x.astype("float32"), y.astype("float32")).astype(x.dtype)
        return self._compat.matmul(x, y)

    def __getattr__(self, name: str) -> Any:
        if name == "_compat":
            raise AttributeError(name)
        value = getattr(self._compat, name)
        setattr(self, name, value)  # so that Python finds it without __getattr__ next time
        return value


def _bfloat16(x: Any) -> bool:
    """Whether it is an array of ml_dtypes' bfloat16; NumPy knows it as a kind of void."""
    dtype = getattr(x, "dtype", None)
    return dtype is not None and dtype.kind == "V" and dtype.name == "bfloat16"


def _on_its_device(create: Callable, like: bool) -> Callable:
    def created(*args: Any, device: Any = None, **kwargs: Any) -> Any:
        import cupy

        if device is None and like and isinstance(args[0], cupy.ndarray):
            device = args[0].device
        with cupy.cuda.Device(device):
            return create(*args, **kwargs)
    return created
