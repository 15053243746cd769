"""Blocks of a run that are done whole: an update and the end of an epoch, each with the hooks after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Whole"]


class Whole:
    """What the block does is one thing; and then its hooks are called. No generator, whose time counts here.

    A second signal waits for the end of it all. An error in the block leaves nothing to keep, and after one
    in a callback `Standing.settle` calls the others.
    """

    __slots__ = ("hooks", "run")
    hooks: Iterable[Callable[..., Any]]
    run: Run

    def __init__(self, run: Run, hooks: Iterable[Callable[[Run], Any]]):
        self.run, self.hooks = run, hooks

    def __enter__(self) -> None:
        self.run.interrupt.hold()
        self.run.whole = False

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        run = self.run
        try:
            if kind is None:
                run.uncalled = iter(self.hooks)
                if run.standing is not None:
                    run.standing.close()
                run.whole = True
                for callback in run.uncalled:
                    callback(run)
                if run.standing is not None:
                    run.standing.take(run)
        finally:
            run.interrupt.release()
