"""PyTorch's compilers by their names: everything stays Python here, and kernels are fused as they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["Final", "compile", "export", "ignore", "is_scripting", "is_tracing", "script",
           "script_if_tracing", "unused"]


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """The function, class or module as it is: there is nothing to compile.

    >>> script(abs) is abs
    True
    """
    return obj


def script_if_tracing(fn: Callable) -> Callable:
    """The function as it is."""
    return fn


def is_scripting() -> bool:
    """``False``: models ask it to choose between Python and the compiler's way."""
    return False


def is_tracing() -> bool:
    """``False``, as `is_scripting`."""
    return False


def _assert(condition: Any, message: str) -> None:
    """``assert condition, message``: ``torch._assert``, which PyTorch's tracers see."""
    assert condition, message


def _overload_method(method: Callable) -> Callable:
    """The method as it is; torchvision's models declare its signatures by it."""
    return method


def export(fn: Callable) -> Callable:
    """The function as it is."""
    return fn


def unused(fn: Callable) -> Callable:
    """The function as it is."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function as it is; with or without brackets."""
    return drop if callable(drop) else lambda fn: fn


def compile(model: Any = None, **settings: Any) -> Any:
    """The model as it is, with any of ``torch.compile``'s settings: kernels are fused as they run.

    Without a model it is a decorator.

    >>> @compile(mode="max-autotune")
    ... def double(x):
    ...     return 2 * x
    >>> double(2)
    4
    """
    return (lambda function: function) if model is None else model
