"""Settings: a value for the whole process, and values that `with` blocks give it in their thread.

A process's value is one object that is replaced whole, so no thread ever sees half of a change. A thread's
value is thread-local, as PyTorch's modes are, and not a context variable: what runs between ``await``s or
``yield``s is one thread's, so a block should not contain either.
"""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["Claim", "Setting", "Switch"]

T = TypeVar("T")


class Claim(Generic[T]):
    """What a `Switch` was made with, until it shows whether it is a call or the head of a block."""

    tables: tuple[str, ...] = ("a claim",)  # no table's name: `Backend.resolve` finds nothing made for it
    outer: T | None
    open: list[int]

    def __init__(self, value: T, outer: T | None):
        self.value, self.outer = value, outer  # outer: this thread's value without the claim
        self.open = [threading.get_ident()]    # emptied, in one step, by whoever decides what it is
        self.before: T | None = None           # the process's value that it replaced


class _Thread(threading.local):
    value: Any = None  # of the innermost block, or a `Claim`; None outside of blocks


class Setting(Generic[T]):
    """One setting; its values are true, because ``None`` stands for no block.

    Where every call counts, read ``setting.thread.value or setting.process``, and be ready for a `Claim`.
    """

    def __init__(self, initial: T):
        self.process: T = initial
        self.thread: _Thread = _Thread()

    def here(self) -> T | None:
        """What the innermost block of this thread says; ``None`` outside of blocks."""
        value = self.thread.value
        if type(value) is Claim:  # somebody asks before a block has begun: it is a call
            self.publish(value)
            self.thread.value = value = value.outer
        return value

    def get(self) -> T:
        """The value that holds in this thread now."""
        value = self.thread.value
        if value is None:
            return self.process
        return (self.here() or self.process) if type(value) is Claim else value

    def publish(self, claim: Claim[T]) -> None:
        """Make the claim's value the process's, unless it was decided before."""
        try:
            claim.open.pop()
        except IndexError:
            return
        claim.before, self.process = self.process, claim.value


class Switch(Generic[T]):
    """Base of what sets a setting: for the process as a call, for this thread as a context manager.

    Python makes the object before it says which of the two is meant. Until then the value is a claim, which
    no other thread sees: entering the object makes it a block's, and dropping it, as the end of the statement
    does, or asking for the setting in this thread makes it the process's. So a block never touches the
    process's value.
    """

    setting: ClassVar[Setting[Any]]
    _claim: Claim | None = None

    def __init__(self, value: T):
        self._chosen = value
        self._outer: dict[int, list[T | None]] = {}  # by thread, because several may enter one object
        self._claim = Claim(value, self.setting.here())
        self.setting.thread.value = self._claim

    def __enter__(self) -> Any:
        setting, claim, me = self.setting, self._claim, threading.get_ident()
        assert claim is not None
        if claim.open:
            outer = claim.outer if setting.thread.value is claim else setting.here()
            claim.open.clear()
        else:
            outer = setting.here()
            if claim.before is not None and setting.process is self._chosen and not self._outer:
                setting.process = claim.before  # a signal handler asked before the block could begin
        self._outer.setdefault(me, []).append(outer)
        setting.thread.value = self._chosen

    def __exit__(self, *exc: object) -> None:
        self.setting.here()  # a claim inside the block that is still held is a call
        self.setting.thread.value = self._outer[threading.get_ident()][-1]
        self._outer[threading.get_ident()].pop()

    def __del__(self) -> None:
        claim, thread = self._claim, self.setting.thread
        if claim is None:
            return
        self.setting.publish(claim)
        if thread.value is claim:
            thread.value = claim.outer
        elif thread.value is self._chosen and (left := self._outer.get(threading.get_ident())):
            thread.value = left[0]  # an interrupt came in the middle of entering or leaving the block
