"""``cnnkit train --resume``: where a run's state is kept while it goes on, and whether the same command may
go on with it.
"""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from cnnkit.cli.config import export
from cnnkit.cli.screen import error_screen

if TYPE_CHECKING:
    from cnnkit.train.callbacks import Checkpoint

__all__ = ["checkpointing", "clear"]

EVERY = 30.0  # seconds between two checkpoints
MAY_CHANGE = ("epochs", "out", "download")  # of a run that is resumed


def checkpointing(console: Console, target: Path, settings: dict[str, Any], resume: bool,
                  command: str) -> tuple[Checkpoint, bool]:
    """Where the run's state is kept while it goes on, and whether there is one to go on from."""
    from cnnkit.train import checkpoints
    from cnnkit.train.callbacks import Checkpoint

    folder = target.with_suffix(".checkpoints")
    earlier, noted = checkpoints.numbered(folder), folder / "run.toml"
    fixed = {name: value for name, value in settings.items() if name not in MAY_CHANGE}
    if resume and earlier:
        before = _read(noted)
        now = tomllib.loads(export(fixed))
        for name in [*before, *now]:
            if before.get(name) != now.get(name):
                raise ValueError(f"--resume: the run in {folder} has {name} = "
                                 f"{before.get(name, 'its default')}, and this command "
                                 f"{now.get(name, 'its default')}; give the same options, "
                                 "or leave --resume out to begin anew")
        console.print(f"Going on from {folder / earlier[-1].stem}", soft_wrap=True)
    else:  # first the old checkpoints go, then the new settings come: they never stand beside each other
        if resume:
            console.print(f"There is no checkpoint in {folder}: beginning at the beginning", soft_wrap=True)
        elif earlier:
            console.print(f"Beginning anew: the unfinished run in {folder} is dropped (--resume would "
                          "go on with it)", soft_wrap=True)
            clear(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            noted.write_text(export(fixed) + "\n", encoding="utf-8")
        except OSError as error:
            raise ValueError(f"the settings that --resume compares, {noted}, "
                             f"could not be written ({error.strerror or error}): "
                             "free some space, or name a file in another folder with --out") from None
    kept = Checkpoint(folder, every_n_epochs=None, every_n_seconds=EVERY,
                      on_error=lambda error: error_screen().print(f"cnnkit: {error}"))
    kept.hint = f"what was learnt is kept, and this goes on from there:\n    {command}"
    return kept, resume and bool(earlier)


def _read(noted: Path) -> dict[str, Any]:
    """The settings that the run began with."""
    try:
        return tomllib.loads(noted.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"--resume: {noted}, the settings that the run began with, cannot be read "
                         f"({error}); put it back, or leave --resume out to begin anew") from None


def clear(folder: Path) -> None:
    """Remove the checkpoints of a run that is done."""
    from cnnkit.train import checkpoints

    for path in reversed(checkpoints.numbered(folder)):
        checkpoints.remove(path)
    (folder / "run.toml").unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody else's files are in it
        folder.rmdir()
