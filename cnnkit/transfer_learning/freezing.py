"""Freezing: parts of a network that do not learn, and whose batch norm keeps its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from cnnkit import nn
from cnnkit.transfer_learning.head import head_of

__all__ = ["What", "freeze", "frozen_names", "named_parts", "unfreeze"]

What = str | int | Sequence[str]
WITH_STATISTICS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.InstanceNorm1d,
                   nn.InstanceNorm2d, nn.InstanceNorm3d)
BACKBONE, HEAD, ALL = "backbone", "head", "all"


def freeze(model: nn.Module, what: What = BACKBONE) -> nn.Module:
    """Let parts of a model learn no more.

    Their parameters require no gradient, and their layers with running statistics (batch norm) stay in
    evaluation mode, whatever ``model.train()`` says: the statistics of a few new images would undo what the
    layers before have learnt.

    Parameters
    ----------
    model : Module
    what : str, int or sequence of str
        ``"backbone"``, everything but the head (`head_of`); ``"all"``; a number: so many of the first parts
        that have parameters, being the children of the model's ``features``, or else of the model; or names
        of modules and parameters, in which ``*``, ``?`` and ``[12]`` stand for others: ``"layer[12]"``.

    Returns
    -------
    Module
        `model`.

    Raises
    ------
    ValueError
        If nothing has such a name, or there are fewer parts.

    >>> from cnnkit import models
    >>> model = freeze(models.resnet18(width_mult=0.125), "layer[123]")
    >>> model.train().layer1[0].bn1.training, model.layer4[0].bn1.training
    (False, True)
    """
    return _set(model, what, False)


def unfreeze(model: nn.Module, what: What = ALL) -> nn.Module:
    """Let parts of a model learn again; `what` is as in `freeze`.

    >>> from cnnkit import models
    >>> model = unfreeze(freeze(models.resnet18(width_mult=0.125)), "layer4")
    >>> {name.split(".")[0] for name in frozen_names(model)} & {"layer3", "layer4"}
    {'layer3'}
    """
    return _set(model, what, True)


def frozen_names(model: nn.Module) -> list[str]:
    """The names of the parameters that do not learn."""
    return [name for name, parameter in model.named_parameters() if not parameter.requires_grad]


def named_parts(model: nn.Module, what: What) -> tuple[list[str], list[str]]:
    """The names of the parameters and of the modules that `what` means: see `freeze`."""
    parameters = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    modules = [name for name, _ in model.named_modules(remove_duplicate=False)]
    if what == ALL:
        return parameters, modules
    if what in (BACKBONE, HEAD):
        head = head_of(model)
        return ([name for name in parameters if _below(name, head) == (what == HEAD)],
                [name for name in modules if _below(name, head) == (what == HEAD)])
    if isinstance(what, bool) or not isinstance(what, str | int | Sequence):
        raise TypeError("what is to be frozen is 'backbone', 'head', 'all', a number of parts, or names such "
                        f"as 'layer[12]'; got {what!r}")
    patterns = _first(model, what) if isinstance(what, int) else [what] if isinstance(what, str) else [*what]
    found = [name for pattern in patterns for name in (*parameters, *modules) if fnmatchcase(name, pattern)]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in found):
            raise ValueError(f"{type(model).__name__} has no part {pattern!r}; it has "
                             f"{', '.join(name for name, _ in model.named_children())}, and those below them")
    return ([name for name in parameters if any(_below(name, part) for part in found)],
            [name for name in modules if any(_below(name, part) for part in found)])


def _set(model: nn.Module, what: What, learns: bool) -> nn.Module:
    parameters, modules = named_parts(model, what)
    for name in parameters:
        model.get_parameter(name).requires_grad_(learns)
    for name in modules:
        module = model.get_submodule(name)
        if isinstance(module, WITH_STATISTICS):
            module.keep_in_eval_mode(not learns)
    return model


def _first(model: nn.Module, count: int) -> list[str]:
    """The names of the first parts with parameters."""
    prefix = "features." if isinstance(dict(model.named_children()).get("features"), nn.Sequential) else ""
    trunk = model.get_submodule(prefix[:-1])
    names = [f"{prefix}{name}" for name, child in trunk.named_children() if [*child.parameters()]]
    if not 0 <= count <= len(names):
        raise ValueError(f"{type(model).__name__} has {len(names)} parts that could be frozen, "
                         f"{', '.join(names)}; got {count}")
    return names[:count]


def _below(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")
