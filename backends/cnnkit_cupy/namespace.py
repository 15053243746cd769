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

    def __getattr__(self, name: str) -> Any:
        if name == "_compat":
            raise AttributeError(name)
        value = getattr(self._compat, name)
        setattr(self, name, value)  # so that Python finds it without __getattr__ next time
        return value


def _on_its_device(create: Callable, like: bool) -> Callable:
    def created(*args: Any, device: Any = None, **kwargs: Any) -> Any:
        import cupy

        if device is None and like and isinstance(args[0], cupy.ndarray):
            device = args[0].device
        with cupy.cuda.Device(device):
            return create(*args, **kwargs)
    return created
