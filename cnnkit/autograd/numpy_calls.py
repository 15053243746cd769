"""Methods that NumPy's and CuPy's functions call, with NumPy's names: the error says what to write instead.

``cupy.mean(x)`` is ``x.mean(axis=None, dtype=None, out=None, keepdims=False)``, where the Tensor's method is
PyTorch's, ``x.mean(dim, keepdim)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

__all__ = ["CALLED", "refusing"]

# the Tensor's methods that functions of other libraries call
CALLED = ("all", "any", "argmax", "argmin", "argsort", "clip", "dot", "max", "mean", "min", "prod", "put",
          "ravel", "repeat", "reshape", "std", "sum", "take", "trace", "transpose", "var")


def refusing(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of this name, whose error for arguments that do not fit says what to write."""
    @wraps(method)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except TypeError as error:
            left_out = any(argument is None for argument in args)  # cupy.repeat(x, 2) is x.repeat(2, None)
            if fits(method, self, *args, **kwargs) and not left_out:
                raise  # it comes from within the method
            raise TypeError(f"{error}. A Tensor's methods are PyTorch's, with gradients. Functions of CuPy "
                            f"and NumPy take arrays: cupy.{name}(x.array), numpy.{name}(x.numpy())") from None
    return called


def fits(function: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
    """Whether a function can be called with these arguments, as far as its signature says."""
    try:
        signature(function).bind(*args, **kwargs)
    except TypeError:
        return False
    return True
