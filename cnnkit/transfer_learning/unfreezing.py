"""Unfreeze: a callback that lets more of a network learn from some epoch on."""

from __future__ import annotations

from typing import Any

from cnnkit.foreign import whole
from cnnkit.train.callbacks import Callback
from cnnkit.train.run import Run
from cnnkit.transfer_learning.freezing import ALL, What, named_parts, unfreeze

__all__ = ["Unfreeze"]


class Unfreeze(Callback):
    """Let parts of the model learn once so many epochs are done.

    A new head has learnt something by then, so that its first gradients, which mean little, do not spoil the
    backbone. A run that is resumed later begins with the parts unfrozen.

    Parameters
    ----------
    epoch : int
        How many epochs are done before.
    what : str, int or sequence of str
        As in `freeze`; by default everything.

    Raises
    ------
    ValueError
        When training begins, if the optimizer lacks parameters that are to learn; `parameter_groups` gives it
        all of them.

    >>> from cnnkit import models, train, transfer
    >>> from cnnkit.data import datasets
    >>> model = transfer(models.CommonCNN((1, 8, 8)), num_classes=10)
    >>> history = train.fit(model, datasets.digits(train=False), epochs=2, progress=False,
    ...                     callbacks=[Unfreeze(1)])
    >>> all(parameter.requires_grad for parameter in model.parameters())
    True
    """

    epoch: int
    what: What

    def __init__(self, epoch: int, what: What = ALL):
        self.epoch, self.what = whole("epoch", epoch, 0), what

    def on_train_start(self, run: Run) -> None:
        """Check the optimizer; in a run that goes on after that epoch, unfreeze at once."""
        held = {id(parameter) for group in run.optimizer.param_groups for parameter in group["params"]}
        lacking = [name for name in named_parts(run.model, self.what)[0]
                   if id(run.model.get_parameter(name)) not in held]
        if lacking:
            raise ValueError(f"the optimizer has no {', '.join(lacking[:4])}{', ...' if lacking[4:] else ''}"
                             f", which are to learn from epoch {self.epoch} on: give it all parameters, as "
                             "transfer_learning.parameter_groups(model, ...) does")
        if run.epoch > self.epoch or (run.epoch == self.epoch and run.batch):
            unfreeze(run.model, self.what)

    def on_train_epoch_start(self, run: Run) -> None:
        """Unfreeze, if it is time."""
        if run.epoch == self.epoch:
            unfreeze(run.model, self.what)

    def identity(self) -> dict[str, Any]:
        """The epoch and the parts, on which the weights depend."""
        return {"epoch": self.epoch, "what": self.what}
