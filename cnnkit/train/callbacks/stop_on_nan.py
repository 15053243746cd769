"""StopOnNaN: ends a run at the first loss or gradient that is no finite number, and names its layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from cnnkit.evaluation.counting import number
from cnnkit.foreign import whole
from cnnkit.train.callbacks.callback import Callback
from cnnkit.train.replay import finite, replay

if TYPE_CHECKING:
    from cnnkit.nn import Module
    from cnnkit.train.run import Run

__all__ = ["StopOnNaN"]


class StopOnNaN(Callback):
    """Raise FloatingPointError before NaN reaches the weights, naming the first layer that put it out.

    It waits for the device at each update, which costs speed where the device works asynchronously.

    Parameters
    ----------
    every_n_batches : int
        Check every so many updates only.

    Raises
    ------
    FloatingPointError
        The model then has the weights from before the update.

    >>> from cnnkit import models, no_grad, train
    >>> from cnnkit.data import datasets
    >>> model = models.CommonCNN((1, 8, 8))
    >>> with no_grad():
    ...     _ = model.features.conv2.weight.fill_(float("nan"))
    >>> try:
    ...     train.fit(model, datasets.digits(train=True), callbacks=[StopOnNaN()], progress=False)
    ... except FloatingPointError as error:
    ...     print(str(error).split(". ")[0].replace(": ", ":\\n"))
    the loss is nan in batch 1 of epoch 1:
    features.conv2 (Conv2d) was the first layer whose output is no finite number, because its weight is none
    """

    def __init__(self, every_n_batches: int = 1):
        if every_n_batches < 1:
            raise ValueError(f"every_n_batches must be 1 or more, got {every_n_batches}")
        self.every_n_batches: int = whole("every_n_batches", every_n_batches)

    def on_before_optimizer_step(self, run: Run) -> None:
        if run.step % self.every_n_batches:
            return
        losses = [0.0 if loss is None or not number(count.loss) else loss.item()
                  for loss, count in zip(run.losses, run.counts)]
        nonfinite = next((n for n, loss in enumerate(losses) if not math.isfinite(loss)), None)
        index = len(losses) - 1 if nonfinite is None else nonfinite
        loss, where = losses[index], f"in batch {run.batch + index + 1} of epoch {run.epoch + 1}"
        if nonfinite is not None:
            raise FloatingPointError(f"the loss is {loss} {where}: {_culprit(run)}. Lower the learning rate "
                                     f"(it is {run.lr():g}), or clip the gradients (fit(clip_norm=1.0))")
        if run.mixed.scaler.is_enabled():  # it leaves an update with infinite gradients out
            return
        grads = [(name, p.grad) for name, p in run.named_parameters() if p.grad is not None]
        if finite(*[grad for _, grad in grads]):
            return
        last = next(name for name, grad in reversed(grads) if not finite(grad))
        raise FloatingPointError(f"the loss is {loss:g} {where}, but the gradient of {last} is no "
                                 "finite number, the first on the way back. Lower the learning rate (it is "
                                 f"{run.lr():g}), or look at the layers after it")


def _culprit(run: Run) -> str:
    """Where the first value that is no finite number comes from, when the update's batches are replayed."""
    causes: list[str] = []

    def check(name: str, layer: Module, inputs: tuple, output: Any) -> None:
        if causes or finite(*(output if isinstance(output, tuple) else (output,))):
            return
        title = f"{name or 'the model'} ({type(layer).__name__})"
        nonfinite = [name for name, p in layer.named_parameters(recurse=False) if not finite(p)]
        if not finite(*inputs):
            causes.append(f"the input of {title} already was no finite number, "
                          "made by the images or by a function before it")
        elif nonfinite:
            causes.append(f"{title} was the first layer whose output is no finite number, "
                          f"because its {nonfinite[0]} is none")
        else:
            causes.append(f"{title} was the first layer whose output is no finite number; "
                          "its inputs and weights are finite")

    replay(run.model, [x for x, *_ in run.inputs], check)
    return causes[0] if causes else "every layer's output is finite, so the loss function made it"
