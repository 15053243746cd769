"""The training loop: forward, loss, backward, update, epoch by epoch (guide, "Pseudo Code for CNN")."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cnnkit import optim
from cnnkit.autograd import Tensor
from cnnkit.nn import Module
from cnnkit.train.evaluate import batches, measure
from cnnkit.train.history import Epoch, History
from cnnkit.train.interrupt import Interrupt
from cnnkit.train.progress import Reporter, reporter
from cnnkit.train.tally import Tally
from cnnkit.train.weighting import cross_entropy

__all__ = ["fit"]

VALIDATION_BATCH = 256  # images a step where nothing is kept for a backward pass
OPTIMIZERS = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}


def fit(model: Module, data: Any, *, epochs: int = 1, batch_size: int = 32, optimizer: str | optim.Optimizer = "adam",
        lr: float = 1e-3, loss: Callable[..., Tensor] | None = None, validation: Any = None,
        seed: int | None = None, progress: bool | Reporter = True) -> History:
    """Train `model` in place.

    Parameters
    ----------
    model : Module
        From images (N, C, H, W) to scores (N, classes), or to whatever `loss` takes.
    data : DataLoader, dataset, or (images, labels)
        What to learn from; anything but a loader is shuffled anew each epoch. A loader of your own may give batches
        ``(x, y, weight)``, with a weight (N,) for each sample: the loss is called with all three, and the epoch's loss and
        accuracy are weighted.
    epochs : int
        How often to go through the data.
    batch_size : int
        Images a step, where `data` is no loader.
    optimizer : str or Optimizer
        ``"sgd"`` (momentum 0.9), ``"adam"``, ``"adamw"``, or one made for the model's parameters.
    lr : float
        Learning rate, where `optimizer` is a name.
    loss : callable
        ``loss(output, target)``, a mean over the batch (weighted, where there are weights); cross-entropy of scores by
        default.
    validation : DataLoader, dataset, or (images, labels), optional
        Measured after each epoch, in evaluation mode.
    seed : int, optional
        Where the order of the data comes from; without it from `cnnkit.random`'s generator.
    progress : bool or Reporter
        Show a progress bar (in a terminal) or a line an epoch.

    Returns
    -------
    History
        Loss, accuracy and speed of each epoch. ``interrupted`` is true where Ctrl-C ended the run: the batch was
        finished, the model keeps what it learnt, and the epoch that was cut short, in training or in validation, is the
        last row. A second Ctrl-C raises KeyboardInterrupt at once.

    Raises
    ------
    ValueError
        If the data are empty or damaged, or an argument is out of range.
    FloatingPointError
        If the loss is no longer a finite number at the end of an epoch.

    >>> from cnnkit import models, random, train
    >>> from cnnkit.data import datasets
    >>> random.seed(0)
    >>> history = train.fit(models.CommonCNN((1, 8, 8)), datasets.digits(train=True), epochs=4, seed=0, progress=False)
    >>> history[-1].accuracy > 0.8
    True
    """
    if epochs < 0 or not isinstance(epochs, int):
        raise ValueError(f"epochs must be a whole number, 0 or more; got {epochs!r}")
    if isinstance(optimizer, str):
        optimizer = _optimizer(optimizer, model, lr)
    loss = loss or cross_entropy
    loader = batches(data, batch_size, shuffle=True, seed=seed)
    history, shown = History(), reporter(progress)
    try:
        with Interrupt() as interrupt:
            for epoch in range(1, epochs + 1):
                model.train()
                shown.begin(epoch, epochs, len(loader) if hasattr(loader, "__len__") else None)
                tally, start = Tally(), time.perf_counter()
                for x, y, *weight in loader:
                    optimizer.zero_grad()
                    output = model(x)
                    value = loss(output, y, *weight)
                    value.backward()
                    optimizer.step()
                    tally.add(value, output, y, *weight)
                    shown.step(tally)
                    if interrupt.stopped:
                        break
                row = _row(epoch, tally, start)
                if validation is not None and not interrupt.stopped:
                    row = _with_validation(row, model, batches(validation, VALIDATION_BATCH), loss, interrupt, shown)
                history.epochs.append(row)
                shown.end(row)
                if interrupt.stopped:
                    history.interrupted = True
                    break
                if not math.isfinite(row.loss):
                    raise FloatingPointError(f"the loss is {row.loss} after epoch {epoch}: the model's numbers have overflowed. "
                                             f"Lower the learning rate (it is {optimizer.param_groups[0]['lr']}) or clip the "
                                             "gradients (nn.clip_grad_norm_)")
    finally:
        shown.close()
    return history


def _optimizer(name: str, model: Module, lr: float) -> optim.Optimizer:
    if name not in OPTIMIZERS:
        raise ValueError(f"there is no optimizer {name!r}; there are {', '.join(OPTIMIZERS)}")
    if not math.isfinite(lr):
        raise ValueError(f"lr, the learning rate, must be a finite number such as 0.001; got {lr}")
    settings = {"momentum": 0.9} if name == "sgd" else {}
    return OPTIMIZERS[name](model.parameters(), lr=lr, **settings)


def _row(epoch: int, tally: Tally, start: float) -> Epoch:
    if not tally.images:
        raise ValueError("the data hold no batch: there is nothing to train on")
    loss, accuracy = tally.read()  # waits for the device, so the clock is read after it
    seconds = time.perf_counter() - start
    return Epoch(epoch, loss, accuracy, tally.images / max(seconds, 1e-9), seconds)


def _with_validation(row: Epoch, model: Module, loader: Any, loss: Callable[..., Tensor], interrupt: Interrupt,
                     shown: Reporter) -> Epoch:
    """The row with the held-out scores, or as it was where Ctrl-C came before they were known."""
    total = len(loader) if hasattr(loader, "__len__") else None

    def stop(done: int) -> bool:
        shown.validate(done, total)
        return interrupt.stopped and done != total

    shown.validate(0, total)
    scores = measure(model, loader, loss, stop)
    return row if scores is None else replace(row, val_loss=scores.loss, val_accuracy=scores.accuracy)
