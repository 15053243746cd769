"""``cnnkit train --log``: where a run's figures go, beside the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnkit.train.callbacks import Callback

__all__ = ["KINDS", "loggers"]

KINDS = ("csv", "jsonl", "tensorboard", "mlflow", "wandb")


def loggers(texts: Sequence[str], target: Path) -> list[Callback]:
    """The callbacks for texts such as ``csv``, ``tensorboard`` or ``csv=log.csv``.

    Parameters
    ----------
    texts : sequence of str
        ``KIND`` or ``KIND=WHERE``: a file (csv, jsonl), a folder (tensorboard), the name of an experiment
        (mlflow) or of a project (wandb). By default files beside the model, and the folder's name.
    target : Path
        The model's file.

    Raises
    ------
    ValueError
        If there is no such kind.
    ModuleNotFoundError
        If its package is missing.

    >>> [type(callback).__name__ for callback in loggers(["csv", "jsonl=all.jsonl"], Path("net.safetensors"))]
    ['CSVLogger', 'JSONLinesLogger']
    """
    from cnnkit.train import callbacks

    made: list[Callback] = []
    for text in texts:
        kind, _, where = text.partition("=")
        if kind == "csv":
            made.append(callbacks.CSVLogger(where or target.with_suffix(".csv")))
        elif kind == "jsonl":
            made.append(callbacks.JSONLinesLogger(where or target.with_suffix(".jsonl")))
        elif kind == "tensorboard":
            made.append(callbacks.TensorBoard(where or target.parent / "runs" / target.stem))
        elif kind == "mlflow":
            made.append(callbacks.MLflow(where or "cnnkit", run_name=target.stem))
        elif kind == "wandb":
            made.append(callbacks.Wandb(where or "cnnkit", name=target.stem))
        else:
            raise ValueError(f"--log {text}: there is no logger {kind!r}; there are {', '.join(KINDS)}")
    return made
