"""Learning from one batch: forward, loss and backward, captured where that can be done, with the optimizer's
step where it follows at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cnnkit import nn
from cnnkit.autograd import Tensor
from cnnkit.capturing import capture
from cnnkit.capturing.ahead import Ahead
from cnnkit.capturing.plainness import is_plain
from cnnkit.evaluation.contracts import batch_loss
from cnnkit.train.mixed_precision import PLAIN

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["learning"]

MOST = 1 << 28  # bytes of kernels' memory beside which Python's time counts
Learn = Callable[..., tuple[Tensor, Tensor]]


def learning(run: Run, captured: bool | None) -> Learn:
    """``learn(x, y, share, first, *weight)``: a batch's loss and the model's output; gradients are added.

    `share` is the batch's part of its group's gradient, a Tensor, and `first` whether it is the group's
    first: then there are no gradients yet, so what is recorded is another.
    """
    model, loss_function, intake, mixed = run.model, run.loss_function, run.intake, run.mixed

    def learn(x: Tensor, y: Tensor, share: Any, first: bool,
              *weight: Tensor) -> tuple[Tensor, Tensor]:
        with mixed.block():
            output = model(x)
            loss = batch_loss(loss_function, output, intake.target(output, y), *weight)
        mixed.scaler.scale(loss if share is None else loss * share).backward()
        return loss, output
    if captured and mixed.name != PLAIN:
        warnings.warn(f"precision={mixed.name!r} is not captured; it runs as ever", stacklevel=4)
    meets_others = run.sharding is not None and any(
        isinstance(module, nn.SyncBatchNorm) for module in model.modules())
    if captured and meets_others:
        warnings.warn("SyncBatchNorm is not captured in shards; it runs as ever", stacklevel=4)
    if captured is False or mixed.name != PLAIN or not (captured or is_plain(model, loss_function)):
        return learn
    uses, most = [model, loss_function, run.optimizer], None if captured else MOST
    if run.steps_at_once:
        return Ahead(learn, run.optimizer, uses, captured is True, most)
    return capture(learn, uses=uses, warn=captured is True, most=most)
