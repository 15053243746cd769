"""Modes: which modules train and which stay in evaluation mode during a run; afterwards all is as before."""

from __future__ import annotations

from cnnkit.nn import Module

__all__ = ["Modes"]


class Modes:
    """The modes of a model's modules: those before a run, and those during it.

    A module that is in evaluation mode before the run stays in it: a frozen body whose batch norm shall keep
    its statistics. A model that is in evaluation mode as a whole was merely evaluated, so that it is trained,
    but for the modules whose parameters are all frozen.

    Parameters
    ----------
    model : Module
        The model that is trained.

    >>> from cnnkit import nn
    >>> model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout())
    >>> _ = model[0].eval()
    >>> modes = Modes(model)
    >>> modes.set()
    >>> [layer.training for layer in model]
    [False, True]
    """

    def __init__(self, model: Module):
        self.model = model
        # of those that are kept in evaluation mode, what they were told, for they may be kept no longer
        self._before = [(module, vars(module).get("training", True)) for module in model.modules()]
        resting = [module for module, training in self._before if not training]
        if len(resting) == len(self._before):
            resting = [inner for module in resting if _frozen(module) for inner in module.modules()]
        self._resting = resting
        self._trains = not any(module is model for module in resting)

    def set(self) -> None:
        """Give every module its mode for training."""
        self.model.train()
        for module in self._resting:
            module.training = False

    def keep(self) -> None:
        """Set the modes anew if something, such as a callback, left the whole model in another one."""
        if self.model.training != self._trains:
            self.set()

    def restore(self) -> None:
        """Give every module the mode that it had before."""
        for module, training in self._before:
            module.training = training


def _frozen(module: Module) -> bool:
    """Whether the module has parameters, and none of them is trained."""
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
