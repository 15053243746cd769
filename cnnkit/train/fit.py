"""`fit`: the one entry to training; it checks its arguments and makes the `Run` that trains."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cnnkit import optim
from cnnkit.data import description
from cnnkit.data.contracts import Augmentation
from cnnkit.distributed import Strategy
from cnnkit.evaluation.contracts import AnyLoss, Data, Loader
from cnnkit.evaluation.evaluate import batches, count, plain
from cnnkit.evaluation.intake import Intake
from cnnkit.evaluation.metrics import Metric, by_name
from cnnkit.evaluation.weighting import cross_entropy
from cnnkit.foreign import whole
from cnnkit.nn import Module
from cnnkit.optim.by_name import BY_NAME
from cnnkit.train import checkpoints
from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.callbacks.checkpoint import Checkpoint
from cnnkit.train.callbacks.diagnose import Diagnose
from cnnkit.train.class_weight import ClassWeight, WeightedCrossEntropy, balanced
from cnnkit.train.ema import EMA
from cnnkit.train.history import History
from cnnkit.train.identity import Changes, check_changes
from cnnkit.train.lasting import LastingData
from cnnkit.train.parameters import named, parameters
from cnnkit.train.progress import Reporter, reporter
from cnnkit.train.run import Run
from cnnkit.train.schedules import schedule, watched
from cnnkit.train.sharding import shared_with_others, telling_others

__all__ = ["fit"]

VALIDATION_BATCH = 256  # images a batch in validation, which keeps nothing for a backward pass


def fit(model: Module, data: Data, *, epochs: int = 1, batch_size: int = 32,
        optimizer: str | optim.Optimizer = "adam", lr: float = 1e-3, weight_decay: float | None = None,
        loss: AnyLoss | None = None, validation: Data | None = None, seed: int | None = None,
        augment: str | Augmentation | None = None,
        progress: bool | Reporter = True,
        metrics: Iterable[str | Metric] | dict[str, Metric] = (), class_weight: ClassWeight | None = None,
        scheduler: Any = None, scheduler_interval: str = "epoch", scheduler_monitor: str | None = None,
        accumulate_grad_batches: int = 1,
        clip_norm: float | None = None, clip_value: float | None = None, ema: float | None = None,
        precision: str = "32-true",
        callbacks: Sequence[Callback] = (), resume: bool | str | os.PathLike[str] | Mapping[str, Any] = False,
        resume_changes: Changes = "refuse", diagnose: bool = False, capture: bool | None = None,
        shards: int | None = None, strategy: str | Strategy | None = None) -> History:
    """Train `model` in place.

    Parameters
    ----------
    model : Module
        From images (N, C, H, W) to scores (N, classes), or to whatever `loss` takes. Modules that are in
        evaluation mode (``body.eval()``) stay in it during training; a model that is in evaluation mode as a
        whole is trained as a whole, but for modules whose parameters are all frozen. Afterwards all modes are
        what they were before.
    data : DataLoader, dataset, or (images, labels)
        What to learn from; docs/data.md says how arrays are taken, and what becomes the model's
        ``input_format``, which `evaluate` and `predict` repeat. Anything but a loader is shuffled anew each
        epoch. A loader of your own (`contracts.Loader`) may give batches ``(x, y, weight)``, with a weight
        (N,) for each sample: the loss is called with all three, and the epoch's loss and accuracy are
        weighted.
    epochs : int
        How often to go through the data, the epochs before a resumption included. A resumed run may have more
        epochs than it began with, but not under a schedule that was made for that number of epochs.
    batch_size : int
        Images a step, where `data` is no loader.
    optimizer : str or Optimizer
        A name of `optim.by_name`, such as ``"sgd"`` (momentum 0.9), ``"adam"``, ``"adamw"``, ``"rmsprop"``;
        or one made for the model's parameters, or for a part of them, and perhaps for others, such as a
        weight of the loss. Its parameters are what is trained, clipped and averaged; frozen ones
        (``requires_grad_(False)``) are not.
    lr : float
        Learning rate, where `optimizer` is a name.
    weight_decay : float, optional
        Weight decay, where `optimizer` is a name; by default that optimizer's own: 0.01 for adamw, else 0.
    loss : callable
        ``loss(output, target)``, a mean over the batch (weighted, where there are weights): see
        `contracts.Loss`; cross-entropy of scores by default.
    validation : DataLoader, dataset, or (images, labels), optional
        Measured after each epoch, in evaluation mode.
    seed : int, optional
        Where the order of the data and their augmentation come from; without it from
        `cnnkit.random`'s generator.
    augment : str or callable, optional
        Random transforms of the training images, never of held-out ones: names and numbers such as
        ``"flip,crop=4,rotate=10,mixup"`` (`cnnkit.data.transforms.named`), or transforms of
        `cnnkit.data.transforms`. A loader has its own. Where labels become probabilities (mixup, cutmix), a
        prediction is right if it is the most probable class.
    progress : bool or Reporter
        Show a progress bar (in a terminal) or a line an epoch.
    metrics : names, or Metrics
        Measured on the held-out images too: ``["f1", "top_5"]``, see `cnnkit.evaluation.metrics`. Their names
        begin with ``val_`` in the history.
    class_weight : "balanced", mapping of int to float, or sequence of float, optional
        Weight of each class in the training loss, cross-entropy; held-out figures are unweighted.
        ``"balanced"`` makes all classes equally important.
    scheduler : str, LRScheduler, or callable, optional
        The learning rate's schedule: ``"cosine"``, ``"warmup-cosine"``, ``"one-cycle"``, ``"linear"``,
        ``"exponential"`` (to a hundredth), ``"step"`` (a tenth, twice) or ``"plateau"``; a schedule of
        `optim.lr_scheduler` for the optimizer that is given; or a function that makes one from the optimizer.
        `ReduceLROnPlateau` watches the held-out loss, or the loss where there is none.
    scheduler_interval : {"epoch", "step"}
        When to step a schedule that is not given by name: after each epoch, or each update of the weights.
    scheduler_monitor : str, optional
        What `ReduceLROnPlateau` watches instead, such as ``"val_accuracy"``.
    accumulate_grad_batches : int
        Update the weights once for so many batches, as if they were one.
    clip_norm, clip_value : float, optional
        Limit the norm of all gradients together, or each of their elements, before an update.
    ema : float, optional
        Such as 0.999: keep a running average of the weights, measure it, and give it to the model at the
        end; see `EMA`.
    precision : {"32-true", "16-mixed", "bf16-mixed"}
        As the model is; or forward passes and losses under `autocast` in float16, with a `GradScaler`, or in
        bfloat16, with parameters and updates in float32.
    callbacks : sequence of Callback
        Of `cnnkit.train.callbacks`; a `Checkpoint` is called last.
    resume : bool, path, or state
        Go on from the newest checkpoint in a folder, to the same bits as a run that nothing interrupted.
        ``True`` means the `Checkpoint` callback's folder, and starts a new run if it has no checkpoints yet.
        Or the `state` of a CheckpointError.
    resume_changes : "refuse", "warn", or sequence of str
        What happens where settings or data differ from those that the run began with: an error that names
        all of them; a `CheckpointWarning`, and the run goes on; or these may differ, by the names that the
        error gives, and all else is refused.
    diagnose : bool
        Measure the network as it learns, and say what is wrong and what helps: see ``history.diagnosis``.
    capture : bool, optional
        Record forward and backward once and replay them, to the same bits: see `cnnkit.capture`. By default
        where model and loss are cnnkit's own, or code that plainly does nothing but compute, and a batch
        takes less than 256 MB; ``True`` also elsewhere, with a warning where it cannot be done; ``False``
        never.
    shards : int, optional
        Compute each update in so many parts of the batch, whose gradients are added in a fixed order, on as
        many processes as a launcher has started: ``mpiexec -n 4 python train.py`` gives the bits of one
        process. Layers that look at a whole batch, as batch norm does in training, see a shard. The shards
        belong to the run, the number of processes does not. By default 8, or the number of processes if that
        is more, where a launcher has started several, and none otherwise.
    strategy : {"mpi", "mpi+nccl", "one"} or Strategy, optional
        What connects the processes: MPI by default, or where gradients of CuPy's arrays go by NCCL; or an
        engine of your own, see `distributed.Strategy`. Communicators that are connected already stay.

    Returns
    -------
    History
        Loss, accuracy and speed of each epoch. ``interrupted`` is true where Ctrl-C, SIGTERM or SIGHUP (then
        it is ``signal``) ended the run: the batch was finished, the model keeps what it learnt, and the epoch
        that was cut short, in training or in validation, is the last row. A second Ctrl-C raises
        KeyboardInterrupt at once, another second signal SystemExit.

    Raises
    ------
    ValueError
        If the data are empty or damaged, labels or targets do not fit the model's output, or an argument is
        out of range. A `ResumeError` if a checkpoint is of a run with other settings or data.
    TypeError
        If images or labels are of a kind that the model or the loss does not take.
    FloatingPointError
        If the loss is no longer a finite number at the end of an epoch.
    FileNotFoundError
        If there is no checkpoint in a folder given as `resume`.
    storage.Locked
        If another run writes to the `Checkpoint` callback's folder now.
    Exception
        Whatever data, model, loss or callbacks raise. With a `Checkpoint` it has a note on how to go on.

    >>> from cnnkit import models, random, train
    >>> from cnnkit.data import datasets
    >>> random.seed(0)
    >>> history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), epochs=4, seed=0,
    ...                     progress=False)
    >>> history[-1].accuracy > 0.8
    True
    """
    sharding = shared_with_others(shards, strategy)
    first = sharding is None or sharding.first
    with telling_others(sharding):
        epochs, batch_size = whole("epochs", epochs, 0), whole("batch_size", batch_size)
        accumulate_grad_batches = whole("accumulate_grad_batches", accumulate_grad_batches)
        for name, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            if limit is not None and not 0 < limit < math.inf:
                raise ValueError(f"{name} must be a finite number above 0, got {limit}")
        if isinstance(optimizer, str):
            optimizer = _optimizer(optimizer, model, lr, weight_decay)
        elif weight_decay is not None:
            raise ValueError(f"weight_decay={weight_decay} is for an optimizer by name; give it to the "
                             f"{type(optimizer).__name__} that you made")
        if not any(parameter.requires_grad for parameter in parameters(optimizer)):
            raise ValueError("none of the optimizer's parameters requires a gradient, so there is nothing to "
                             "train; unfreeze a part of the model: module.requires_grad_(True)")
        loader = batches(data, batch_size, shuffle=True, seed=seed, augment=augment,
                         intake=Intake(model, loss, learn=True))
        # held-out arrays are prepared as those of training
        intake = Intake(model, loss, [loader], learn=True)
        held_out = None if validation is None else plain(
            batches(validation, VALIDATION_BATCH, intake=intake))
        named_metrics = by_name(metrics)
        if named_metrics and held_out is None:
            raise ValueError(f"metrics ({', '.join(named_metrics)}) are measured on held-out images; "
                             "give validation= too")
        total = count(loader)
        updates = None if total is None else math.ceil(total / accumulate_grad_batches)
        lr_schedule, per_batch, planned = None, False, None
        if scheduler is not None:
            lr_schedule, per_batch = schedule(scheduler, scheduler_interval, optimizer, epochs, updates)
            planned = epochs if isinstance(scheduler, str) and scheduler != "plateau" else None
        all_callbacks = [*callbacks, *([Diagnose()] if diagnose else []), LastingData()]
        run = Run(model, optimizer, loader, _loss(loss, class_weight, loader), epochs=epochs,
                  reporter=reporter(progress if first else False), validation=held_out,
                  metrics=named_metrics, scheduler=lr_schedule, per_batch=per_batch, planned=planned,
                  accumulate=accumulate_grad_batches,
                  clip_norm=clip_norm, clip_value=clip_value, sharding=sharding,
                  ema=None if ema is None else EMA(model, ema, named(optimizer, model)),
                  callbacks=sorted(all_callbacks, key=lambda callback: isinstance(callback, Checkpoint)),
                  seed=seed, resume_changes=check_changes(resume_changes), precision=precision,
                  capture=capture)
        run.watched = watched(run, scheduler_monitor, by_name=isinstance(scheduler, str))
        with ExitStack() as locks:
            for callback in run.callbacks:
                if first and isinstance(callback, Checkpoint):
                    locks.enter_context(callback.locked_for_run())
            return run.go(_state(resume, run) if first else None)


def _optimizer(name: str, model: Module, lr: float, weight_decay: float | None) -> optim.Optimizer:
    if name not in BY_NAME:
        raise ValueError(f"there is no optimizer {name!r}; there are {', '.join(BY_NAME)}")
    if not math.isfinite(lr):
        raise ValueError(f"lr, the learning rate, must be a finite number such as 0.001; got {lr}")
    settings = {} if weight_decay is None else {"weight_decay": weight_decay}
    return BY_NAME[name](model.parameters(), lr=lr, **settings)


def _loss(loss: AnyLoss | None, class_weight: ClassWeight | None, loader: Loader) -> AnyLoss:
    if class_weight is None:
        return loss or cross_entropy
    if loss is not None:
        raise ValueError("class_weight is for the loss that fit has, cross-entropy; "
                         "give a loss of your own the weights yourself")
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError("class_weight must be 'balanced', or a weight for each class; "
                             f"got {class_weight!r}")
        targets = description.targets(description.dataset_of(loader))
        if targets is None:
            raise ValueError("class_weight='balanced' counts the labels in the dataset's `targets`, "
                             "and these data have none; give a weight for each class")
        class_weight = balanced(targets)
    return WeightedCrossEntropy(class_weight)


def _state(resume: bool | str | os.PathLike[str] | Mapping[str, Any], run: Run) -> Mapping[str, Any] | None:
    """The state that a run resumes from; sets ``run.resumed_from``."""
    if isinstance(resume, Mapping):
        run.resumed_from = ""
        return resume
    if resume is False:
        return None
    if resume is True:
        folder = next((callback.folder for callback in run.callbacks if isinstance(callback, Checkpoint)),
                      None)
        if folder is None:
            raise ValueError("resume=True goes on from the folder of a Checkpoint callback, "
                             "and there is none; give the folder")
    else:
        folder = Path(resume)
    checkpoint = checkpoints.newest(folder)
    if checkpoint is None and resume is not True:
        raise FileNotFoundError(f"there is no checkpoint in {folder} to go on from; "
                                "resume=True begins at the beginning then")
    if checkpoint is None:
        return None
    run.resumed_from = str(folder)
    return checkpoint.state
