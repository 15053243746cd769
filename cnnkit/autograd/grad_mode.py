"""Whether the tape records: context managers, which decorate functions, generators and coroutines too.

A generator or coroutine is suspended while others run, so the mode is switched each time it goes on, and
switched back each time it waits.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Generator
from typing import Any

from cnnkit.autograd.tape import mode

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled"]


class _GradMode:
    """A context manager and decorator that sets whether the tape records, in this thread."""

    recording = True
    # the mode before each `with` block of this object, innermost first
    _outer: tuple[bool, Any] | None = None

    def __new__(cls, function: Callable | None = None) -> Any:
        """A context manager; with a function, as of a decorator without brackets, that function decorated."""
        if function is None:
            return super().__new__(cls)
        if not callable(function):
            raise TypeError(f"{cls.__name__} takes no setting; got {function!r:.60}. Use it as "
                            f"`with {cls.__name__}():`, or as a decorator of a function")
        return cls()(function)

    def __enter__(self) -> None:
        self._outer = (mode.grad, self._outer)
        mode.grad = self.recording

    def __exit__(self, *exc: object) -> None:
        assert self._outer is not None
        mode.grad, self._outer = self._outer

    def _again(self) -> _GradMode:
        """A context manager like this one, for another block."""
        return type(self)()

    def __call__(self, function: Callable) -> Any:
        name = type(self).__name__
        if inspect.isclass(function):
            raise RuntimeError(f"{name} cannot decorate the class {function.__name__}: it would not be clear "
                               "for which methods; decorate each of them")
        if inspect.isasyncgenfunction(function):
            raise TypeError(f"{name} cannot decorate the asynchronous generator {function.__name__}; use "
                            f"`with {name}():` in it, around what lies between two yields")
        again = self._again
        if inspect.isgeneratorfunction(function):
            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                return (yield from _switching(function(*args, **kwargs), again))
            return generator
        if inspect.iscoroutinefunction(function):
            @functools.wraps(function)
            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                return await _switching(function(*args, **kwargs), again)
            return coroutine

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)
        return wrapped


@types.coroutine
def _switching(inner: Any, again: Callable[[], _GradMode]) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine with the mode switched whenever it runs, and only then."""
    try:
        with again():
            value = inner.send(None)
        while True:
            try:
                sent = yield value
            except GeneratorExit:
                with again():
                    inner.close()
                raise
            except BaseException as error:
                with again():
                    value = inner.throw(error)
            else:
                with again():
                    value = inner.send(sent)
    except StopIteration as end:
        return end.value


class no_grad(_GradMode):
    """Record nothing on the tape: results need no gradient, and ops save nothing.

    A block, ``with no_grad():``, or a decorator of a function, generator or coroutine, with or without
    brackets. It holds for this thread, and for a generator only while its own code runs.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     (x * 2).requires_grad
    False
    >>> @no_grad()
    ... def doubled(x):
    ...     return x * 2
    >>> doubled(x).requires_grad
    False
    """

    recording = False


class enable_grad(_GradMode):
    """Record again inside a `no_grad` block; a decorator too, as `no_grad`."""


class set_grad_enabled(_GradMode):
    """Record or not, as `mode` says: from the call on, or for a block, or as a decorator of a function.

    Parameters
    ----------
    mode : bool
        Whether the tape records.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0], requires_grad=True)
    >>> with set_grad_enabled(False):
    ...     (x * 2).requires_grad
    False
    """

    def __new__(cls, mode: bool) -> Any:
        return object.__new__(cls)

    def __init__(self, mode: bool):
        if not isinstance(mode, bool):
            raise TypeError("set_grad_enabled() needs True or False; "
                            f"got {type(mode).__name__}: {mode!r:.60}")
        self.recording = mode
        self._before = _switch(mode)

    def __enter__(self) -> None:
        self._outer = (self._before, self._outer)
        _switch(self.recording)

    def _again(self) -> set_grad_enabled:
        return type(self)(self.recording)

    def __call__(self, function: Callable) -> Any:
        _switch(self._before)  # the function switches when it runs, not where it is defined
        return super().__call__(function)


class inference_mode(_GradMode):
    """`no_grad` under the name of PyTorch's faster mode: here both are the same.

    Parameters
    ----------
    mode : bool
        ``False`` records, as `enable_grad` does.

    >>> import cnnkit
    >>> x = cnnkit.tensor([1.0], requires_grad=True)
    >>> with inference_mode():
    ...     (x * 2).requires_grad
    False
    """

    def __new__(cls, mode: bool | Callable = True) -> Any:
        if isinstance(mode, bool):
            return object.__new__(cls)
        return super().__new__(cls, mode)

    def __init__(self, mode: bool | Callable = True):
        self.recording: bool = mode is False

    def _again(self) -> inference_mode:
        return type(self)(not self.recording)


def _switch(grad: bool) -> bool:
    """Set the mode of this thread; return the one before."""
    before, mode.grad = mode.grad, grad
    return before
