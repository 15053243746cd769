"""Run: a training run while it goes on: forward, loss, backward, update, epoch by epoch (guide, "Pseudo
Code for CNN").
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

from cnnkit import nn, optim, random
from cnnkit.autograd import Tensor
from cnnkit.evaluation.contracts import (
    AnyLoss,
    AugmentingLoader,
    Loader,
    ResumableLoader,
    WeightedLoss,
    batch_loss,
)
from cnnkit.evaluation.evaluate import count, measure
from cnnkit.evaluation.metrics import Metric
from cnnkit.evaluation.tally import Tally
from cnnkit.nn import Module
from cnnkit.optim.lr_scheduler import ReduceLROnPlateau
from cnnkit.train.callbacks.callback import HOOKS, Callback
from cnnkit.train.ema import EMA
from cnnkit.train.history import Epoch, History
from cnnkit.train.interrupt import Interrupt
from cnnkit.train.progress import Reporter
from cnnkit.train.state import restore

__all__ = ["Run"]


class Run:
    """What a training run is made of and how far it has come; `fit` makes it, callbacks are given it.

    Attributes
    ----------
    model, optimizer, scheduler, loader, validation, loss_function, ema, callbacks
        What it is made of.
    epochs, epoch : int
        How many are to be done, and how many are.
    planned : int or None
        How many the schedule was made for, where it spans the whole run.
    batch, step : int
        Batches of this epoch, and updates of the whole run, that are done.
    history : History
        The epochs' figures.
    inputs : list of tuple of Tensor
        The batches (images, targets, and sample weights where there are any) of the update that
        is being made.
    loss : Tensor
        Of the last batch; reading it waits for the device.
    losses : list of Tensor
        Of each of `inputs`.
    paused : bool
        Whether Ctrl-C or `pause` ends the run for now.
    """

    def __init__(self, model: Module, optimizer: optim.Optimizer, loader: Loader, loss: AnyLoss, *,
                 epochs: int, shown: Reporter, validation: Loader | None = None,
                 metrics: dict[str, Metric] | None = None, scheduler: Any = None, per_batch: bool = False,
                 planned: int | None = None, accumulate: int = 1, clip_norm: float | None = None,
                 clip_value: float | None = None, ema: EMA | None = None, callbacks: Sequence[Callback] = ()):
        self.model, self.optimizer, self.loader, self.loss_function, self.epochs = (model, optimizer,
                                                                                    loader, loss, epochs)
        self.shown, self.validation, self.metrics = shown, validation, metrics or {}
        self.scheduler, self.per_batch, self.planned, self.ema = scheduler, per_batch, planned, ema
        self.accumulate, self.clip_norm, self.clip_value = accumulate, clip_norm, clip_value
        self.callbacks = list(callbacks)
        self._hooks = {hook: [getattr(c, hook) for c in self.callbacks
                              if getattr(type(c), hook) is not getattr(Callback, hook)] for hook in HOOKS}
        self.epoch = self.batch = self.step = 0
        self.seconds, self.tally, self.history = 0.0, Tally(), History()
        self.draws: dict[str, int] | None = None  # the random state of a checkpoint within an epoch
        self.loader_state: dict[str, Any] | None = None  # of a resumable loader, before this epoch
        self.interrupt = Interrupt()
        self.stopped, self.reason, self._paused = False, "", False
        self.resumed: str | None = None  # where the state came from: the folder, or "" for one in memory
        self.epoch_lr = self.lr()
        self.inputs: list = []
        self.loss: Any = None
        self.losses: list[Tensor] = []
        self._cut: Epoch | None = None

    # -- what callbacks may do -------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """End the run after the batch or epoch that is being done: it is complete."""
        self.stopped, self.reason = True, reason

    def pause(self, reason: str) -> None:
        """End the run after the batch for now, as Ctrl-C does: a checkpoint keeps where it was."""
        self._paused, self.reason = True, reason

    @property
    def paused(self) -> bool:
        return self._paused or self.interrupt.stopped

    def lr(self) -> float:
        """The learning rate of the first parameter group."""
        return self.optimizer.param_groups[0]["lr"]

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights as validation sees them: averaged, where there is an average."""
        with self._averaged():
            return self.model.state_dict()

    # -- the loop --------------------------------------------------------------------------------------------

    def go(self, state: Mapping[str, Any] | None = None) -> History:
        """Train from the beginning or from `state` to the end, or until something stops it."""
        try:
            with self.interrupt:
                if state is not None:
                    restore(self, state)
                    done = self.epoch >= self.epochs
                    self.shown.note(f"All {self.epochs} epochs were done before" if done else
                                    f"Going on in epoch {self.epoch + 1} of {self.epochs}, "
                                    f"after {self.step} updates")
                self._call("on_train_start")
                while self.epoch < self.epochs and not self.stopped and not self.paused:
                    self._one_epoch()
                self._call("on_train_stop")
                self.history.interrupted = self.paused
                # after the state was kept: a resumed run does this epoch to its end
                if self._cut is not None:
                    self.history.epochs.append(self._cut)
                    self.shown.end(self._cut)
                if self.ema is not None:
                    self.ema.write()
                self._call("on_train_end")
        except BaseException as error:
            self._call("on_exception", error)
            raise
        finally:
            self.shown.close()
        return self.history

    def _one_epoch(self) -> None:
        self.model.train()
        total = count(self.loader)
        self.shown.begin(self.epoch + 1, self.epochs, None if total is None else total - self.batch)
        if not self.batch:
            self._call("on_train_epoch_start")
        start = time.perf_counter() - self.seconds
        for group in self._groups():
            self.inputs, self.epoch_lr = group, self.lr()
            self._update()
            self.seconds = time.perf_counter() - start
            self._call("on_train_batch_end")
            if self.stopped or self.paused:
                break
        self.inputs = []
        if not self.tally.images:
            raise ValueError("the data hold no batch: there is nothing to train on")
        loss, accuracy = self.tally.read()  # waits for the device, so the clock is read after it
        if not self.tally.total and not self.paused:
            raise ValueError(f"every sample of epoch {self.epoch + 1} has weight 0: "
                             "there is nothing to train on")
        self.seconds = time.perf_counter() - start
        figures: dict[str, Any] = {"loss": loss, "accuracy": accuracy,
                                   "lr": self.epoch_lr, "seconds": self.seconds,
                                   "images_per_second": self.tally.images / max(self.seconds, 1e-9)}
        whole = not self.paused and self._validate(figures)
        row = Epoch(self.epoch + 1, **figures)
        if not whole:
            self._cut = row
            return
        self.history.epochs.append(row)
        self.shown.end(row)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} after epoch {row.epoch}: the model's numbers "
                                     f"have overflowed. Lower the learning rate (it is {self.epoch_lr}) "
                                     "or clip the gradients (nn.clip_grad_norm_)")
        self.epoch, self.batch, self.seconds, self.tally = self.epoch + 1, 0, 0.0, Tally()
        if self.scheduler is not None and not self.per_batch:
            watched = row.loss if row.val_loss is None else row.val_loss
            self.scheduler.step(*[watched] if isinstance(self.scheduler, ReduceLROnPlateau) else [])
        self._call("on_train_epoch_end")

    def _groups(self) -> Iterator[list]:
        """The batches of this epoch that are still to come, in groups of those whose gradients are
        accumulated.
        """
        passed_over = self.batch
        if isinstance(self.loader, ResumableLoader):
            self.loader_state, passed_over = self.loader.state_dict(), 0
            self.loader.skip_batches(self.batch)
        batches = iter(self.loader)
        for _ in islice(batches, passed_over):
            pass
        if self.batch and self.draws is not None:  # what was left out may have drawn
            random.set_state(self.draws)
        self.draws = None
        while group := list(islice(batches, self.accumulate)):
            yield group

    def _update(self) -> None:
        """Forward and backward through a group of batches, and one step of the optimizer."""
        sizes = [self._size(*targets) for _, *targets in self.inputs] if len(self.inputs) > 1 else []
        total = sum(sizes) or 1  # 0 where every weight is
        self.losses = []
        self.optimizer.zero_grad()
        for n, (x, y, *weight) in enumerate(self.inputs):
            output = self.model(x)
            self.loss = batch_loss(self.loss_function, output, y, *weight)
            (self.loss * (sizes[n] / total) if sizes else self.loss).backward()
            self.losses.append(self.loss.detach())
            self.tally.add(self.loss, output, self._labels(y), *weight)
            self.shown.step(self.tally)
        if self.clip_norm is not None:
            nn.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        if self.clip_value is not None:
            nn.clip_grad_value_(self.model.parameters(), self.clip_value)
        self._call("on_before_optimizer_step")
        self.optimizer.step()
        self.batch, self.step = self.batch + len(self.inputs), self.step + 1
        if self.ema is not None:
            self.ema.update()
        if self.scheduler is not None and self.per_batch:
            self.scheduler.step()

    def _labels(self, target: Tensor) -> Tensor:
        """Class indices, also where augmentation has made probabilities of them: the most probable
        class then.
        """
        mixed = target.ndim == 2 and isinstance(self.loader, AugmentingLoader) and self.loader.mixes_labels()
        return target.argmax(dim=1) if mixed else target

    def _size(self, target: Tensor, weight: Tensor | None = None) -> float:
        """What a batch's mean loss counts for: its images, or the sum of their weights."""
        if isinstance(self.loss_function, WeightedLoss):
            return self.loss_function.batch_weight(target, weight)
        return target.shape[0] if weight is None else weight.sum().item()

    def _validate(self, figures: dict[str, Any]) -> bool:
        """Add the held-out scores to the figures; whether the epoch is whole, Ctrl-C not having come before
        they were known.
        """
        if self.validation is None:
            return True
        total = count(self.validation)

        def stop(done: int) -> bool:
            self.shown.validate(done, total)
            return self.paused and done != total

        self.shown.validate(0, total)
        with self._averaged():
            scores = measure(self.model, self.validation, self.validation_loss, stop,
                             list(self.metrics.values()))
        if scores is None:
            return False
        figures.update(val_loss=scores.loss, val_accuracy=scores.accuracy)
        figures["metrics"] = {f"val_{name}": metric.compute() for name, metric in self.metrics.items()}
        return True

    @property
    def validation_loss(self) -> AnyLoss:
        """The loss of held-out images: without class weights."""
        loss = self.loss_function
        return loss.held_out_loss() if isinstance(loss, WeightedLoss) else loss

    def _averaged(self) -> Any:
        return nullcontext() if self.ema is None else self.ema.swapped()

    def _call(self, hook: str, *arguments: Any) -> None:
        for callback in self._hooks[hook]:
            callback(self, *arguments)
