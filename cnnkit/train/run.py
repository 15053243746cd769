"""Run: a training run in progress: forward, loss, backward, update (guide, "Pseudo Code for CNN")."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from typing import Any

from cnnkit import backends, nn, optim, random
from cnnkit.autograd import Tensor, is_grad_enabled, set_grad_enabled
from cnnkit.evaluation.contracts import (
    AnyLoss,
    AugmentingLoader,
    HeldOutLoss,
    Loader,
    ResumableLoader,
    batch_loss,
)
from cnnkit.evaluation.counting import Count, Counting, is_empty
from cnnkit.evaluation.evaluate import count, measure
from cnnkit.evaluation.intake import Intake
from cnnkit.evaluation.metrics import Metric
from cnnkit.evaluation.tally import Tally
from cnnkit.nn import Module
from cnnkit.train import identity
from cnnkit.train.callbacks.callback import HOOKS, Callback
from cnnkit.train.callbacks.monitor import Monitor
from cnnkit.train.ema import EMA
from cnnkit.train.history import Epoch, History
from cnnkit.train.identity import Changes
from cnnkit.train.interrupt import Interrupt
from cnnkit.train.modes import Modes
from cnnkit.train.parameters import named, parameters
from cnnkit.train.progress import Guarded, Lines, Reporter
from cnnkit.train.standing import Standing, attempt
from cnnkit.train.state import restore
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
    inputs : list of tuple of Tensor
        The batches (images, targets, and sample weights where there are any) of the current update.
    counts : list of Count
        What each of `inputs` counts for in the loss; a batch that is known to count for nothing is left out.
    loss : Tensor
        The loss of the last batch; reading it waits for the device.
    losses : list of Tensor or None
        The losses of `inputs`; ``None`` for a batch that is left out.
    paused : bool
        Whether a signal, such as Ctrl-C, or `pause` ends the run for now.
    whole : bool
        Whether the state is one between two updates, from which the run can go on.
    """

    def __init__(self, model: Module, optimizer: optim.Optimizer, loader: Loader, loss: AnyLoss, *,
                 epochs: int, reporter: Reporter, validation: Loader | None = None,
                 metrics: dict[str, Metric] | None = None, scheduler: Any = None, per_batch: bool = False,
                 planned: int | None = None, accumulate: int = 1, clip_norm: float | None = None,
                 clip_value: float | None = None, ema: EMA | None = None, callbacks: Sequence[Callback] = (),
                 seed: int | None = None, resume_changes: Changes = "refuse"):
        self.model, self.optimizer, self.loader = model, optimizer, loader
        self.loss_function, self.epochs = loss, epochs
        self.reporter: Reporter = Guarded(reporter, self._output_failed) if isinstance(reporter, Lines) else (
            reporter)
        self.validation, self.metrics = validation, metrics or {}
        self.scheduler, self.per_batch, self.planned, self.ema = scheduler, per_batch, planned, ema
        self.accumulate, self.clip_norm, self.clip_value = accumulate, clip_norm, clip_value
        self.callbacks, self.seed, self.resume_changes = list(callbacks), seed, resume_changes
        self.identity: identity.Identity | None = None  # where checkpoints are written or read
        self.intake = Intake(model, loss, [loader, validation], learn=True)
        self._hooks = {hook: [getattr(c, hook) for c in self.callbacks
                              if getattr(type(c), hook) is not getattr(Callback, hook)] for hook in HOOKS}
        self.epoch = self.batch = self.step = 0
        self.seconds, self.tally, self.history = 0.0, Tally(), History()
        self.random_state: dict[str, int] | None = None  # of a checkpoint within an epoch
        self.loader_state: dict[str, Any] | None = None  # of a resumable loader, before this epoch
        self.interrupt = Interrupt()
        self.stopped, self.reason, self._paused = False, "", False
        self.whole = True
        self.standing: Standing | None = None  # since the run has begun
        self.uncalled: Iterator[Any] = iter(())  # hooks of an update or an epoch that is done
        self.resumed_from: str | None = None  # the folder of the checkpoint, "" for a state in memory
        self.epoch_lr = self.lr()
        self.watched: Monitor | None = None  # by the schedule, a ReduceLROnPlateau
        self.inputs: list = []
        self.loss: Any = None
        self.losses: list[Tensor | None] = []
        self.counting, self.counts = Counting(loss), list[Count]()
        self._partial_epoch: Epoch | None = None
        self._has_read = False  # a batch, since the run began or resumed

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
                self._call("on_train_start")
                if any(callback.keeps_state for callback in self.callbacks):
                    self.standing = Standing(self)
                while self.epoch < self.epochs and not self.stopped and not self.paused:
                    modes.keep()
                    self._one_epoch()
                self.interrupt.hold()  # pressed twice in haste, Ctrl-C does not cost the checkpoint
                self._call("on_train_stop")
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
                self._call("on_train_end")
            except BaseException as error:
                self.interrupt.hold()
                set_grad_enabled(recording)
                for callback in self._hooks["on_exception"]:
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

    def _one_epoch(self) -> None:
        total = count(self.loader)
        self.reporter.begin(self.epoch + 1, self.epochs, None if total is None else total - self.batch)
        if not self.batch:
            self._call("on_train_epoch_start")
        start = time.perf_counter() - self.seconds
        for group in self._groups():
            self.inputs, self.epoch_lr = group, self.lr()
            self._update(start)
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
        with Whole(self, self._hooks["on_train_epoch_end"]):
            if self.scheduler is not None and not self.per_batch:
                self._step_schedule()
            self.epoch, self.batch, self.seconds, self.tally = self.epoch + 1, 0, 0.0, Tally()
            self.loader_state = None

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
        batches = map(self.intake.read, self.loader)
        for _ in islice(batches, skipped):
            pass
        if self.batch and self.random_state is not None:  # the skipped batches may have drawn numbers
            random.set_state(self.random_state)
        self.random_state = None
        while group := list(islice(batches, self.accumulate)):
            self._has_read = True
            yield group

    def _update(self, start: float) -> None:
        """Learn from a group of batches, unless it is known that they count for nothing."""
        self.counts = [self.counting(*targets) for _, *targets in self.inputs]
        self.losses = []
        learns = not all(is_empty(counted.loss) for counted in self.counts)
        if learns:
            self._differentiate()
        else:
            for x, *_ in self.inputs:
                self.tally.pass_over(x.shape[0])
        with Whole(self, self._hooks["on_train_batch_end"]):
            if learns:
                self._step()
            self.batch += len(self.inputs)
            if self.scheduler is not None and self.per_batch:
                self.scheduler.step()
            self.seconds = time.perf_counter() - start

    def _differentiate(self) -> None:
        """The gradients of the batches that count for something."""
        shares = [None] if len(self.counts) == 1 else self._shares()
        self.optimizer.zero_grad()
        for (x, y, *weight), counted, share in zip(self.inputs, self.counts, shares):
            if is_empty(counted.loss):
                self.tally.pass_over(x.shape[0])
                self.losses.append(None)
                continue
            output = self.model(x)
            y = self.intake.target(output, y)
            self.loss = batch_loss(self.loss_function, output, y, *weight)
            (self.loss if share is None else self.loss * share).backward()
            self.losses.append(Tensor(self.loss.array))
            self.tally.add(self.loss, output, self._labels(y), counted, *weight, summed=self.counting.summed)
            self.reporter.step(self.tally)
        if self.clip_norm is not None:
            nn.clip_grad_norm_(parameters(self.optimizer), self.clip_norm)
        if self.clip_value is not None:
            nn.clip_grad_value_(parameters(self.optimizer), self.clip_value)
        self._call("on_before_optimizer_step")

    def _step(self) -> None:
        if self.standing is not None:
            self.standing.leave()
        self.whole = True  # until the optimizer has made its step, which it makes whole or not at all
        self.optimizer.step()
        self.whole = False
        self.step += 1
        if self.ema is not None:
            self.ema.update()

    def _shares(self) -> Sequence[Any]:
        """The factor of each batch's loss, so that the group's gradient is that of one batch of them all."""
        if self.counting.summed:
            return [None] * len(self.counts)
        counts = [counted.loss for counted in self.counts]
        with backends.on(self.inputs[0][0].array):
            total = sum(counts)
            if isinstance(total, int | float):
                return [count / total for count in counts]
            xp = backends.namespace_of(total)  # on a device, so whether it is 0 is not asked
            total = xp.where(total == 0, xp.ones_like(total), total)
            return [Tensor(xp.asarray(count / total)) for count in counts]

    def _labels(self, target: Tensor) -> Tensor:
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
        return loss.held_out_loss() if isinstance(loss, HeldOutLoss) else loss

    def _read_one(self) -> None:
        """Let the model say what it has learnt from, where all batches were done before the run resumed."""
        drawn = random.get_state()
        next(map(self.intake.read, self.loader), None)
        random.set_state(drawn)

    def _averaged(self) -> Any:
        return nullcontext() if self.ema is None else self.ema.swapped()

    def _call(self, hook: str) -> None:
        for callback in self._hooks[hook]:
            callback(self)
