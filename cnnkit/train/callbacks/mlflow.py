"""MLflow: a run of an experiment, with its settings and each epoch's figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnkit.train.callbacks.experiment_logger import ExperimentLogger
from cnnkit.train.schema import TEXT, check, record

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["MLflow"]

STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MLflow(ExperimentLogger):
    """Log to MLflow: settings as parameters, each epoch's figures as metrics, and how the run ended.

    Needs mlflow or mlflow-skinny (``pip install 'cnnkit[loggers]'``). A run that resumes from a checkpoint
    goes on in the same run of MLflow.

    Parameters
    ----------
    experiment : str
        The experiment's name; it is made where there is none.
    tracking_uri : str, optional
        Where MLflow keeps it, such as ``"sqlite:///mlflow.db"`` or a server's address; by default as MLflow
        is set up.
    run_name : str, optional
        By default MLflow makes one up.
    """

    package = "mlflow"
    experiment: str
    run_name: str | None
    tracking_uri: str | None

    def __init__(self, experiment: str = "cnnkit", tracking_uri: str | None = None,
                 run_name: str | None = None):
        super().__init__()
        self.experiment, self.tracking_uri, self.run_name = experiment, tracking_uri, run_name
        self.run_id: Any = ""

    def open(self, run: Run, settings: dict[str, Any]) -> None:
        self.client: Any = self.library.MlflowClient(self.tracking_uri)
        if run.resumed_from is not None and self.run_id:
            self.client.set_terminated(self.run_id, "RUNNING")
            return
        known = self.client.get_experiment_by_name(self.experiment)
        experiment = self.client.create_experiment(self.experiment) if known is None else known.experiment_id
        self.run_id = self.client.create_run(experiment, run_name=self.run_name).info.run_id
        self.client.log_batch(self.run_id, params=[self.library.entities.Param(name, str(value))
                                                   for name, value in settings.items()])

    def write(self, run: Run, epoch: int, figures: dict[str, float]) -> None:
        now = int(1000 * time.time())
        self.client.log_batch(self.run_id, metrics=[self.library.entities.Metric(name, value, now, epoch)
                                                    for name, value in figures.items()])

    def close(self, run: Run, status: str) -> None:
        self.client.set_terminated(self.run_id, STATUS[status])

    def state_dict(self) -> dict[str, Any]:
        return {"run_id": self.run_id}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        check(state, record(run_id=TEXT), "state")
        self.run_id = str(state["run_id"])
