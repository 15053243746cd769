"""Run: a training run in progress: forward, loss, backward, update (guide, "Pseudo Code for CNN")."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

from cnnkit import optim, random
from cnnkit.autograd import Tensor, is_grad_enabled, set_grad_enabled
from cnnkit.distributed import RankLost
from cnnkit.evaluation.contracts import AnyLoss, AugmentingLoader, HeldOutLoss, Loader, ResumableLoader
from cnnkit.evaluation.counting import Count, Counting
from cnnkit.evaluation.evaluate import count, measure
from cnnkit.evaluation.intake import Intake
from cnnkit.evaluation.metrics import Metric
from cnnkit.evaluation.tally import Tally
from cnnkit.nn import Module
from cnnkit.nn.state import snapshot
from cnnkit.train import identity
from cnnkit.train.callbacks.callback import HOOKS, Callback
from cnnkit.train.callbacks.monitor import Monitor
from cnnkit.train.ema import EMA
from cnnkit.train.history import Epoch, History
from cnnkit.train.identity import Changes
from cnnkit.train.interrupt import Interrupt
from cnnkit.train.learning import learning
from cnnkit.train.mixed_precision import MixedPrecision
from cnnkit.train.modes import Modes
from cnnkit.train.parameters import named, parameters
from cnnkit.train.progress import Guarded, Lines, Reporter
from cnnkit.train.sharding import Sharding
from cnnkit.train.standing import Standing, attempt
from cnnkit.train.state import restore
from cnnkit.train.update import update
from cnnkit.train.whole import Whole

__all__ = ["Run"]


class Run:
    """The parts of a training run and its progress; `fit` makes it, callbacks get it as an argument.

    Attributes
    ----------
    model, optimizer, scheduler, loader, validation, loss_function, ema, callbacks
        The parts of the run.
    epochs, epoch : int
        The number of epochs to do, and of epochs done.
    planned : int or None
        The number of epochs that the schedule was made for, where it spans the whole run.
    batch, step : int
        The number of batches of this epoch, and of updates of the whole run, that are done.
    history : History
        The epochs' figures.
    sharding : Sharding or None
        How updates are computed in shards, with other processes.
    inputs : list of tuple of Tensor
        The batches (images, targets, and sample weights where there are any) of the current update; with
        shards, those of this process.
    batches : int
        How many batches the current update learns from.
    counts : list of Count
        What each of `inputs` counts for in the loss; a batch that is known to count for nothing is left out.
    loss : Tensor
        The loss of the last batch; reading it waits for the device.
    mixed : MixedPrecision
        Under what it computes forward passes, and what scales its losses.
    losses : list of Tensor or None
        The losses of `inputs`; ``None`` for a batch that is left out.
    paused : bool
        Whether a signal, such as Ctrl-C, or `pause` ends the run for now.
    whole : bool
        Whether the state is one between two updates, from which the run can go on.
    """

    loader: Loader
    model: Module
    epochs: int
    loss_function: AnyLoss
    metrics: dict[str, Metric]
    validation: Loader | None
    ema: EMA | None
    per_batch: bool
    planned: int | None
    scheduler: Any
    accumulate: int
    clip_norm: float | None
    clip_value: float | None
    callbacks: list[Callback]
    resume_changes: Changes
    seed: int | None
    hooks: dict[str, list[Any]]
    batch: int
    epoch: int
    history: History
    seconds: float
    tally: Tally
    reason: str
    stopped: bool
    counting: Counting
    counts: list[Count]
    optimizer: optim.Optimizer
    intake: Intake
    learn: Callable[..., Any]

    def __init__(self, model: Module, optimizer: optim.Optimizer, loader: Loader, loss: AnyLoss, *,
                 epochs: int, reporter: Reporter, validation: Loader | None = None,
                 metrics: dict[str, Metric] | None = None, scheduler: Any = None, per_batch: bool = False,
                 planned: int | None = None, accumulate: int = 1, clip_norm: float | None = None,
                 clip_value: float | None = None, ema: EMA | None = None, callbacks: Sequence[Callback] = (),
                 seed: int | None = None, resume_changes: Changes = "refuse", precision: str = "32-true",
                 capture: bool | None = None, sharding: Sharding | None = None):
        self.model, self.optimizer, self.loader = model, optimizer, loader
        self.loss_function, self.epochs = loss, epochs
        self.reporter: Reporter = Guarded(reporter, self._output_failed) if isinstance(reporter, Lines) else (
            reporter)
        self.validation, self.metrics = validation, metrics or {}
        self.scheduler, self.per_batch, self.planned, self.ema = scheduler, per_batch, planned, ema
        self.accumulate, self.clip_norm, self.clip_value = accumulate, clip_norm, clip_value
        self.callbacks, self.seed, self.resume_changes = list(callbacks), seed, resume_changes
        self.mixed: MixedPrecision = MixedPrecision(precision, parameters(optimizer)[0])
        self.sharding = sharding
        self.identity: identity.Identity | None = None  # where checkpoints are written or read
        self.intake: Intake = Intake(model, loss, [loader, validation], learn=True)
        self.hooks = {hook: [getattr(c, hook) for c in self.callbacks
                              if getattr(type(c), hook) is not getattr(Callback, hook)] for hook in HOOKS}
        self.learn: Callable[..., Any] = learning(self, capture)
        self.epoch = self.batch = self.step = 0
        self.seconds, self.tally, self.history = 0.0, Tally(), History()
        self.random_state: dict[str, int] | None = None  # of a checkpoint within an epoch
        self.loader_state: dict[str, Any] | None = None  # of a resumable loader, before this epoch
        self.interrupt: Interrupt = Interrupt()
        self.stopped, self.reason, self._paused = False, "", False
        self.whole: bool = True
        self.standing: Standing | None = None  # since the run has begun
        self.uncalled: Iterator[Any] = iter(())  # hooks of an update or an epoch that is done
        self.resumed_from: str | None = None  # the folder of the checkpoint, "" for a state in memory
        self.epoch_lr: float = self.lr()
        self.watched: Monitor | None = None  # by the schedule, a ReduceLROnPlateau
        self.inputs: list = []
        self.batches: int = 0
        self.loss: Any = None
        self.losses: list[Tensor | None] = []
        self.counting, self.counts = Counting(loss), list[Count]()
        self._partial_epoch: Epoch | None = None
        self._has_read = False  # a batch, since the run began or resumed

    @property
    def steps_at_once(self) -> bool:
        """Whether each batch's gradients go to the optimizer as they are, before anybody else sees them."""
        return (self.accumulate == 1 and self.sharding is None and self.clip_norm is None
                and self.clip_value is None and not self.hooks["on_before_optimizer_step"])

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """The optimizer's parameters, which are trained, clipped and averaged: see `named`."""
        return named(self.optimizer, self.model)

    # -- what callbacks may do -------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """End the run, as complete, after the batch or epoch that is under way."""
        self.stopped, self.reason = True, reason

    def pause(self, reason: str) -> None:
        """Interrupt the run after the batch that is under way, as Ctrl-C does; a checkpoint can resume it."""
        self._paused, self.reason = True, reason

    @property
    def pause_requested(self) -> bool:
        """Whether this process was asked to pause."""
        return self._paused or self.interrupt.stopped

    @property
    def paused(self) -> bool:
        return self.pause_requested if self.sharding is None else self.sharding.agreed_pause

    @property
    def writes(self) -> bool:
        """Whether this process writes files: of several, the first one alone."""
        return self.sharding is None or self.sharding.first

    def lr(self) -> float:
        """The learning rate of the first parameter group."""
        return self.optimizer.param_groups[0]["lr"]

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights as validation sees them: averaged, where there is an average."""
        with self._averaged():
            return snapshot(self.model)

    # -- the loop --------------------------------------------------------------------------------------------

    def go(self, state: Mapping[str, Any] | None = None) -> History:
        """Train from the beginning or from `state` to the end, or until something stops it."""
        modes, recording = Modes(self.model), is_grad_enabled()
        with self.interrupt:
            try:
                modes.set()
                if state is not None or any(callback.keeps_state for callback in self.callbacks):
                    self.identity = identity.of(self, self.seed)
                if state is not None:
                    restore(self, state)
                    done = self.epoch >= self.epochs
                    self.reporter.note(f"All {self.epochs} epochs were done before" if done else
                                    f"Going on in epoch {self.epoch + 1} of {self.epochs}, "
                                    f"after {self.step} updates")
                self._with_others(self._begin)
                self.call("on_train_start")
                if any(callback.keeps_state for callback in self.callbacks) or self._has_others():
                    self.standing = Standing(self)
                while self.epoch < self.epochs and not self.stopped and not self.paused:
                    modes.keep()
                    self._with_others(self._one_epoch)
                self.interrupt.hold()  # pressed twice in haste, Ctrl-C does not cost the checkpoint
                self.call("on_train_stop")
                self.standing = None  # from here on the model may get other weights
                self.history.interrupted = self.paused
                # after the checkpoint was written: a resumed run finishes this epoch
                if self._partial_epoch is not None:
                    self.history.epochs.append(self._partial_epoch)
                    self.reporter.end(self._partial_epoch)
                if state is not None and not self._has_read:
                    self._read_one()
                if self.ema is not None:
                    self.ema.write()
                self.interrupt.release()
                self.call("on_train_end")
            except BaseException as error:
                self.interrupt.hold()
                set_grad_enabled(recording)
                if self.sharding is not None:
                    self.sharding.failed(error)
                for callback in self.hooks["on_exception"]:
                    attempt(error, callback, self, error)
                raise
            finally:
                self.history.signal = self.interrupt.signal
                modes.restore()
                self.reporter.close()
        return self.history

    def _output_failed(self, error: OSError) -> None:
        """Nobody reads the progress any more: pause; it cannot be written: go on without."""
        if isinstance(error, BrokenPipeError):
            self.pause("because its output was closed")
        else:
            warnings.warn(f"the progress can no longer be shown ({error.strerror or error}); training goes "
                          "on without it", RuntimeWarning, stacklevel=2)

    def _begin(self) -> None:
        if self.sharding is not None:
            self.sharding.begin(self)

    def _has_others(self) -> bool:
        return self.sharding is not None and self.sharding.communicator.size > 1

    def _with_others(self, work: Callable[[], None]) -> None:
        """Do what needs all ranks; where one is lost, the others agree on where they go on."""
        lost: RankLost | None = None
        while True:
            try:
                if lost is None:
                    return work()
                assert self.sharding is not None
                return self.sharding.recover(self, lost)
            except RankLost as error:
                if self.sharding is None:
                    raise
                lost = error

    def _one_epoch(self) -> None:
        total = count(self.loader)
        self.reporter.begin(self.epoch + 1, self.epochs, None if total is None else total - self.batch)
        if not self.batch:
            self.call("on_train_epoch_start")
        start = time.perf_counter() - self.seconds
        for group in self._groups():
            self.epoch_lr, self.batches = self.lr(), len(group)
            update(self, group, start)
            if self.sharding is not None:
                self.sharding.agree(self)
            if self.stopped or self.paused:
                break
        self.inputs = []
        if not self.tally.images:
            raise ValueError("the data hold no batch" + (
                ": there is nothing to train on" if not self.epoch else
                f" in epoch {self.epoch + 1}: an iterator can be gone through only once; give data that can "
                "be gone through once an epoch"))
        loss, accuracy = self.tally.read()  # waits for the device, so the clock is read after it
        if not self.tally.total and not self.paused:
            raise ValueError(f"every sample of epoch {self.epoch + 1} has weight 0, or a label that is "
                             "ignored: there is nothing to train on")
        self.seconds = time.perf_counter() - start
        figures: dict[str, Any] = {"loss": loss, "accuracy": accuracy,
                                   "lr": self.epoch_lr, "seconds": self.seconds,
                                   "images_per_second": self.tally.images / max(self.seconds, 1e-9)}
        complete = not self.paused and self._validate(figures)
        row = Epoch(self.epoch + 1, **figures)
        if not complete:
            self._partial_epoch = row
            return
        self.history.epochs.append(row)
        self.reporter.end(row)
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} after epoch {row.epoch}: the model's numbers "
                                     f"have overflowed. Lower the learning rate (it is {self.epoch_lr}) "
                                     "or clip the gradients (nn.clip_grad_norm_)")
        with Whole(self, self.hooks["on_train_epoch_end"]):
            if self.scheduler is not None and not self.per_batch:
                self._step_schedule()
            self.epoch, self.batch, self.seconds, self.tally = self.epoch + 1, 0, 0.0, Tally()
            self.loader_state = None
        if self.sharding is not None:
            self.sharding.end_epoch(self)

    def _step_schedule(self) -> None:
        """Step the schedule of the epochs, or change nothing."""
        groups = self.optimizer.param_groups
        before, settings = self.scheduler.state_dict(), [dict(group) for group in groups]
        try:
            self.scheduler.step(*[] if self.watched is None else [self.watched.value(self)])
        except BaseException:
            self.scheduler.load_state_dict(before)
            for group, values in zip(groups, settings):
                group.update(values)
            self.whole = True
            raise

    def _groups(self) -> Iterator[list]:
        """The remaining batches of this epoch, in groups whose gradients are accumulated."""
        skipped = self.batch
        if isinstance(self.loader, ResumableLoader):
            self.loader_state, skipped = self.loader.state_dict(), 0
            self.loader.skip_batches(self.batch)
        batches: Iterator[Any] = (map(self.intake.read, self.loader) if self.sharding is None
                                  else self.sharding.batches(self))
        for _ in islice(batches, skipped):
            pass
        if self.batch and self.random_state is not None:  # the skipped batches may have drawn numbers
            random.set_state(self.random_state)
        self.random_state = None
        while group := list(islice(batches, self.accumulate)):
            self._has_read = True
            yield group

    def labels(self, target: Tensor) -> Tensor:
        """The targets; of probabilities that augmentation made of class indices, the most probable class."""
        mixed = target.ndim == 2 and isinstance(self.loader, AugmentingLoader) and self.loader.mixes_labels()
        return target.argmax(dim=1) if mixed else self.counting.labels(target)

    def _validate(self, figures: dict[str, Any]) -> bool:
        """Add the held-out scores to the figures; ``False`` if Ctrl-C came before they were complete."""
        if self.validation is None:
            return True
        total = count(self.validation)

        def stop(done: int) -> bool:
            self.reporter.validate(done, total)
            return self.paused and done != total

        self.reporter.validate(0, total)
        with self._averaged(), self.mixed.block():
            measured = measure if self.sharding is None else self.sharding.measuring(self)
            scores = measured(self.model, self.validation, self.validation_loss, stop,
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
        return loss.held_out_loss() if isinstance(loss, HeldOutLoss) else loss

    def _read_one(self) -> None:
        """Let the model say what it has learnt from, where all batches were done before the run resumed."""
        drawn = random.get_state()
        next(map(self.intake.read, self.loader), None)
        random.set_state(drawn)

    def _averaged(self) -> Any:
        return nullcontext() if self.ema is None else self.ema.swapped()

    def call(self, hook: str) -> None:
        for callback in self.hooks[hook]:
            callback(self)
