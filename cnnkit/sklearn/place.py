"""Where arrays go: to the network's device and, with scikit-learn's ``array_api_dispatch``, to the user's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config

from cnnkit import backends
from cnnkit.autograd import Tensor
from cnnkit.foreign import device_of, is_array
from cnnkit.nn import Module

__all__ = ["Home", "beside", "beside_input", "host", "use_for"]


def beside(model: Module) -> Callable[[np.ndarray], Tensor]:
    """A function that makes a Tensor of a host array, on the backend and device of the model's parameters."""
    like = next(model.parameters()).array
    backend, device = backends.backend_of(like), device_of(like)
    return lambda array: Tensor(backend.asarray(array, array.dtype, device))


def host(data: Any) -> Any:
    """Another library's array as a NumPy array where ``array_api_dispatch`` is on; all else as it is."""
    if isinstance(data, Tensor):
        return data.detach().numpy()
    home = Home.of(data)
    return data if home is None else backends.backend_of(data).to_numpy(data)


class Home(NamedTuple):
    """The library and device of a user's arrays that are not NumPy's, with ``array_api_dispatch``."""

    backend: str
    device: Any

    @classmethod
    def of(cls, data: Any) -> Home | None:
        """Where `data` is; ``None`` for NumPy's arrays, for no array, and without ``array_api_dispatch``."""
        if not get_config()["array_api_dispatch"]:
            return None
        if not is_array(data) or isinstance(data, np.ndarray | np.generic):
            return None
        try:
            backend = backends.backend_of(data)
        except TypeError:  # a series, a sparse matrix
            return None
        return cls(backend.name, device_of(data))

    def array(self, values: np.ndarray, like: Any) -> Any:
        """Host values in the library and on the device of `like`; dtypes that only NumPy has stay NumPy's."""
        backend, dtype = backends.backend_of(like), values.dtype.name
        if dtype == "float64" and dtype not in backend.dtypes:
            dtype = "float32"
        return backend.asarray(values, dtype, self.device) if dtype in backend.dtypes else values

    def __str__(self) -> str:
        return f"{self.backend} arrays on {self.device}"


def beside_input(values: np.ndarray, X: Any) -> Any:
    """Predictions for `X`, in the library and on the device of `X` where ``array_api_dispatch`` is on."""
    home = Home.of(X)
    return values if home is None else home.array(values, X)


def use_for(backend: Any, home: Home | None) -> AbstractContextManager[Any]:
    """Where a new network is made: `backend`, else beside the user's arrays, else where `cnnkit.use` says."""
    if backend is None and home is not None:
        backend = f"{home.backend}:{home.device}" if home.backend == "torch" else home.backend
    return nullcontext() if backend is None else backends.use(backend)
