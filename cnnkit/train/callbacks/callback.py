"""Callback: the base class of objects whose methods are called while a run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Callback"]


class Callback:
    """Base of all callbacks: override the hooks you need; each is given the `Run`.

    Attributes to read: ``run.model``, ``run.optimizer``, ``run.epoch`` (epochs done), ``run.batch``
    (batches of this epoch done), ``run.step`` (updates done), ``run.history``, ``run.loss`` (of the last
    batch, a Tensor). ``run.stop(reason)`` ends the run after the batch or epoch, ``run.pause(reason)``
    does what Ctrl-C does. An exception ends the run; with a `Checkpoint` it can go on.

    A callback whose `state_dict` is not empty is part of every checkpoint, so that a resumed run goes on as
    if it had never been interrupted.

    >>> from cnnkit import models, train
    >>> from cnnkit.data import datasets
    >>> class Count(Callback):
    ...     batches = 0
    ...     def on_train_batch_end(self, run):
    ...         self.batches += 1
    >>> count = Count()
    >>> history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), callbacks=[count],
    ...                     progress=False)
    >>> count.batches
    45
    """

    keeps_state: bool = False  # whether the callback keeps the run's state, and so needs its identity

    def on_train_start(self, run: Run) -> None:
        """Training begins, or goes on after a resume; the state is loaded."""

    def on_train_epoch_start(self, run: Run) -> None:
        """An epoch begins; not called where a run resumes within an epoch."""

    def on_before_optimizer_step(self, run: Run) -> None:
        """The gradients are computed and clipped, the weights unchanged; ``run.inputs`` holds the batches.

        An update that an error or a second Ctrl-C ends is made again by a run that goes on, and this with it.
        """

    def on_train_batch_end(self, run: Run) -> None:
        """The weights were updated: after each batch, or each group of accumulated batches."""

    def on_train_epoch_end(self, run: Run) -> None:
        """An epoch is done, its validation included; ``run.history[-1]`` has its figures."""

    def on_train_stop(self, run: Run) -> None:
        """No more batches come: all are done, or the run paused; a next batch could still go on from here."""

    def on_train_end(self, run: Run) -> None:
        """The run has ended, and the model has its final weights."""

    def on_exception(self, run: Run, error: BaseException) -> None:
        """An error ends the run, or a second Ctrl-C (KeyboardInterrupt); all is as that left it.

        What this raises becomes a note on the error.
        """

    def identity(self) -> dict[str, Any]:
        """Settings on which the weights depend, by name; none of a callback that only watches.

        A run is not resumed with other ones, unless ``fit(resume_changes=...)`` accepts them.
        """
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback: numbers, text, Tensors, and lists and dicts of them."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""


HOOKS = [name for name in vars(Callback) if name.startswith("on_")]
