"""Wandb: a run of Weights & Biases, with its settings and each epoch's figures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnkit.train.callbacks.experiment_logger import ExperimentLogger
from cnnkit.train.schema import TEXT, check, record

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Wandb"]


class Wandb(ExperimentLogger):
    """Log to Weights & Biases: settings as the config, each epoch's figures, and how the run ended.

    Needs wandb (``pip install 'cnnkit[loggers]'``). A run that resumes from a checkpoint goes on in the same
    run of W&B.

    Parameters
    ----------
    project : str
    folder : path, optional
        Where W&B keeps its files; the current folder by default.
    mode : {"online", "offline", "disabled"}, optional
        ``"offline"`` writes files only, which ``wandb sync`` sends later; by default as W&B is set up.
    name : str, optional
        By default W&B makes one up.
    """

    package = "wandb"
    mode: str | None
    name: str | None
    project: str
    logged: Any
    folder: Any

    def __init__(self, project: str = "cnnkit", folder: str | os.PathLike[str] | None = None,
                 mode: str | None = None, name: str | None = None):
        super().__init__()
        self.project, self.folder, self.mode, self.name = project, folder, mode, name
        self.run_id: Any = ""

    def open(self, run: Run, settings: dict[str, Any]) -> None:
        resumes = run.resumed_from is not None and bool(self.run_id)
        self.logged = self.library.init(
            project=self.project, dir=None if self.folder is None else os.fspath(self.folder), mode=self.mode,
            name=self.name, config=settings, reinit="create_new",
            id=self.run_id if resumes else None, resume="allow" if resumes else None)
        self.run_id = self.logged.id

    def write(self, run: Run, epoch: int, figures: dict[str, float]) -> None:
        self.logged.log({"epoch": epoch, **figures}, step=epoch)

    def close(self, run: Run, status: str) -> None:
        self.logged.summary["status"] = status
        self.logged.finish(exit_code=int(status == "failed"))

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self.run_id}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check(state, record(run_id=TEXT), "state")
        self.run_id = str(state["run_id"])
