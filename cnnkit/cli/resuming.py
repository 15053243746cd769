"""``cnnkit train --resume``: where a run's state is saved, and which command may go on from it."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console

from cnnkit import storage
from cnnkit.cli.config import export
from cnnkit.cli.screen import error_screen
from cnnkit.cli.toml_file import read_toml

if TYPE_CHECKING:
    from cnnkit.train.callbacks import Checkpoint

__all__ = ["Saving", "checkpointing", "clear"]

EVERY = 30.0  # seconds between two checkpoints
MAY_CHANGE = ("epochs", "out", "download", "workers")  # settings that may differ when a run is resumed


class Saving(NamedTuple):
    """How a run's state is saved, and whether the run goes on from a saved one."""

    checkpoint: Checkpoint
    resume: bool
    accept_changes: bool
    begin: Callable[[], None]  # to be called when the run has begun


@contextlib.contextmanager
def checkpointing(console: Console, target: Path, settings: dict[str, Any], resume: bool,
                  accept_changes: bool, command: str, prepare: bool = True) -> Iterator[Saving]:
    """Within the block the model's checkpoints are this process's alone.

    Without `prepare`, another process has them, whose place this one takes if that is lost.
    """
    from cnnkit.train.callbacks import Checkpoint

    folder = target.with_suffix(".checkpoints")
    checkpoint = Checkpoint(folder, every_n_epochs=None, every_n_seconds=EVERY,
                            on_error=lambda error: error_screen().print(f"cnnkit: {error}"))
    checkpoint.hint = f"what was learnt is kept, and this goes on from there:\n    {command}"
    if not prepare:
        yield Saving(checkpoint, resume, accept_changes, lambda: None)
        return
    fixed = {name: value for name, value in settings.items() if name not in MAY_CHANGE}
    try:
        with _locked(checkpoint):
            yield _prepared(console, checkpoint, fixed, resume, accept_changes)
    finally:
        with contextlib.suppress(OSError):  # it holds checkpoints, or other files, and stays then
            folder.rmdir()


@contextlib.contextmanager
def _locked(checkpoint: Checkpoint) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(checkpoint.locked())
        except storage.Locked:
            raise
        except OSError as error:
            raise _cannot_write(checkpoint.folder / "run.toml", error) from None
        yield


def _prepared(console: Console, checkpoint: Checkpoint, fixed: dict[str, Any], resume: bool,
              accept_changes: bool) -> Saving:
    """Compare or write the settings that the run begins with, and drop an earlier run."""
    from cnnkit.train import checkpoints

    folder = checkpoint.folder
    earlier, settings_file = checkpoints.numbered(folder), folder / "run.toml"

    def write() -> None:
        try:
            storage.write(settings_file, f"{export(fixed)}\n".encode())
        except OSError as error:
            raise _cannot_write(settings_file, error) from None

    if resume and earlier:
        saved, current = _read(settings_file), tomllib.loads(export(fixed))
        others = [f"{name} = {saved.get(name, 'its default')}, and this command "
                  f"{current.get(name, 'its default')}" for name in {**saved, **current}
                  if saved.get(name) != current.get(name)]
        if others and not accept_changes:
            raise ValueError(f"--resume: the run in {folder} has {'; '.join(others)}; give the same options, "
                             "add --accept-changes to go on with these, or leave --resume out to begin anew")
        if others:
            error_screen().print(f"cnnkit: --accept-changes: the run in {folder} has {'; '.join(others)}")
        console.print(f"Going on from {folder / earlier[-1].stem}", soft_wrap=True)
        return Saving(checkpoint, True, accept_changes, write if others else lambda: None)
    # old checkpoints are removed before the new settings are written: they must never be mixed
    if resume:
        console.print(f"There is no checkpoint in {folder}: beginning at the beginning", soft_wrap=True)
    elif earlier:
        console.print(f"Beginning anew: the unfinished run in {folder} is dropped (--resume would "
                      "go on with it)", soft_wrap=True)
        clear(folder)
    write()
    return Saving(checkpoint, False, accept_changes, lambda: None)


def _cannot_write(settings_file: Path, error: OSError) -> ValueError:
    return ValueError(f"the settings that --resume compares, {settings_file}, could not be written "
                      f"({error.strerror or error}): free some space, or name a file in another folder "
                      "with --out")


def _read(settings_file: Path) -> dict[str, Any]:
    """The settings that the run began with."""
    try:
        return read_toml(settings_file)
    except (OSError, storage.FormatError) as error:
        raise storage.FormatError(f"--resume: {settings_file}, the settings that the run began with, "
                                  f"cannot be read ({error}); put it back, or leave --resume out to begin "
                                  "anew") from None


def clear(folder: Path) -> None:
    """Remove the checkpoints of a run that is done."""
    from cnnkit.train import checkpoints

    for path in reversed(checkpoints.numbered(folder)):
        with contextlib.suppress(OSError):  # a folder of that name: not a checkpoint of ours
            checkpoints.remove(path)
    (folder / "run.toml").unlink(missing_ok=True)
