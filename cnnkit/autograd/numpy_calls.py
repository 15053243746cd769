"""Methods that NumPy's and CuPy's functions call, with NumPy's names: the error says what to write instead.

``cupy.mean(x)`` is ``x.mean(axis=None, dtype=None, out=None, keepdims=False)``, where the Tensor's method is
PyTorch's, ``x.mean(dim, keepdim)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["CALLED", "refusing"]

# the Tensor's methods that functions of other libraries call
CALLED = ("all", "any", "argmax", "argmin", "clip", "max", "mean", "min", "prod", "std", "sum", "transpose",
          "var")


def refusing(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of this name, whose error for arguments that do not fit says what to write."""
    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except TypeError as error:
            if error.__traceback__ is None or error.__traceback__.tb_next is not None:
                raise  # from within the method, which the arguments have fitted
            raise TypeError(f"{error}. A Tensor's methods are PyTorch's, with gradients. Functions of CuPy "
                            f"and NumPy take arrays: cupy.{name}(x.array), numpy.{name}(x.numpy())") from None
    return called
