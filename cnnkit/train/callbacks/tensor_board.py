"""TensorBoard: figures, filters, histograms and the graph of layers, as TensorBoard shows them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of
from cnnkit.train.callbacks.experiment_logger import ExperimentLogger
from cnnkit.train.callbacks.layer_graph import graph_event

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["TensorBoard"]

SHOWN = 16  # images of the first batch


class TensorBoard(ExperimentLogger):
    """Write what ``tensorboard --logdir FOLDER`` shows: scalars, images, histograms, graph, hyper-parameters.

    Needs tensorboardX (``pip install 'cnnkit[loggers]'``). A resumed run goes on in the same folder.

    Parameters
    ----------
    folder : path
        Where the run's files go.
    images : bool
        Show some images of the first batch, and after each epoch the first layer's filters, if they have one
        or three channels.
    histograms : bool
        Of all parameters and gradients, after each epoch.
    graph : bool
        The layers, and which gets whose result, as they are called in the first update.
    """

    package = "tensorboardX"
    graph: bool
    histograms: bool
    images: bool

    def __init__(self, folder: str | os.PathLike[str], images: bool = True, histograms: bool = True,
                 graph: bool = True):
        super().__init__()
        self.folder: Any = os.fspath(folder)
        self.images, self.histograms, self.graph = images, histograms, graph

    def open(self, run: Run, settings: dict[str, Any]) -> None:
        purge = run.epoch + 1 if run.resumed_from is not None else None  # what a killed run wrote beyond that
        self.writer: Any = self.library.SummaryWriter(self.folder, purge_step=purge)
        if run.resumed_from is None:
            from tensorboardX.summary import hparams

            for summary in hparams(settings, {"val_loss" if run.validation is not None else "loss": 0.0}):
                self.writer.file_writer.add_summary(summary)

    def on_before_optimizer_step(self, run: Run) -> None:
        if run.step == 0 and run.writes:
            self._attempt(run, lambda: self._first(run))

    def _first(self, run: Run) -> None:
        x = run.inputs[0][0]
        if self.images and x.ndim == 4 and x.shape[1] in (1, 3):
            self.writer.add_images("images", _scaled(x[:SHOWN]), 0)
        if self.graph:
            self.writer.file_writer.add_event(graph_event(run.model, x))

    def write(self, run: Run, epoch: int, figures: dict[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, epoch)
        for name, parameter in run.model.named_parameters():
            if self.images and parameter.ndim == 4 and parameter.shape[1] in (1, 3):
                self.writer.add_images(f"filters/{name}", _scaled(parameter), epoch)
            if self.histograms:
                self.writer.add_histogram(f"parameters/{name}", _host(parameter), epoch)
                if parameter.grad is not None:
                    self.writer.add_histogram(f"gradients/{name}", _host(parameter.grad), epoch)
        self.writer.flush()

    def close(self, run: Run, status: str) -> None:
        self.writer.add_text("status", status, run.epoch)
        self.writer.close()


def _host(tensor: Tensor) -> Any:
    return backend_of(tensor.array).to_numpy(tensor.array)


def _scaled(tensor: Tensor) -> Any:
    """Values on the host, from 0 (the smallest) to 1 (the largest)."""
    values = _host(tensor.detach()).astype("float32")
    low, high = values.min(), values.max()
    return (values - low) / (high - low if high > low else 1)
