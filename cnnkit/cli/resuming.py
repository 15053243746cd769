"""``cnnkit train --resume``: where a run's state is saved, and which command may go on from it."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cnnkit import storage
from cnnkit.cli.config import export
from cnnkit.cli.screen import error_screen
from cnnkit.cli.toml_file import read_toml

if TYPE_CHECKING:
    from cnnkit.train.callbacks import Checkpoint

__all__ = ["checkpointing", "clear"]

EVERY = 30.0  # seconds between two checkpoints
MAY_CHANGE = ("epochs", "out", "download", "workers")  # settings that may differ when a run is resumed


def checkpointing(console: Console, target: Path, settings: dict[str, Any], resume: bool,
                  command: str) -> tuple[Checkpoint, bool]:
    """The callback that saves the run's state, and whether there is a saved state to go on from."""
    from cnnkit.train import checkpoints
    from cnnkit.train.callbacks import Checkpoint

    folder = target.with_suffix(".checkpoints")
    earlier, settings_file = checkpoints.numbered(folder), folder / "run.toml"
    fixed = {name: value for name, value in settings.items() if name not in MAY_CHANGE}
    if resume and earlier:
        saved = _read(settings_file)
        current = tomllib.loads(export(fixed))
        for name in [*saved, *current]:
            if saved.get(name) != current.get(name):
                raise ValueError(f"--resume: the run in {folder} has {name} = "
                                 f"{saved.get(name, 'its default')}, and this command "
                                 f"{current.get(name, 'its default')}; give the same options, "
                                 "or leave --resume out to begin anew")
        console.print(f"Going on from {folder / earlier[-1].stem}", soft_wrap=True)
    else:  # old checkpoints are removed before the new settings are written: they must never be mixed
        if resume:
            console.print(f"There is no checkpoint in {folder}: beginning at the beginning", soft_wrap=True)
        elif earlier:
            console.print(f"Beginning anew: the unfinished run in {folder} is dropped (--resume would "
                          "go on with it)", soft_wrap=True)
            clear(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            storage.write(settings_file, f"{export(fixed)}\n".encode())
        except OSError as error:
            raise ValueError(f"the settings that --resume compares, {settings_file}, "
                             f"could not be written ({error.strerror or error}): "
                             "free some space, or name a file in another folder with --out") from None
    checkpoint = Checkpoint(folder, every_n_epochs=None, every_n_seconds=EVERY,
                            on_error=lambda error: error_screen().print(f"cnnkit: {error}"))
    checkpoint.hint = f"what was learnt is kept, and this goes on from there:\n    {command}"
    return checkpoint, resume and bool(earlier)


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
        checkpoints.remove(path)
    (folder / "run.toml").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it may hold other files, and stays then
        folder.rmdir()
