"""Parameters that change while an estimator is warm: what is made anew, and what is set in what there is."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from cnnkit.foreign import plain
from cnnkit.nn import Module
from cnnkit.optim import Optimizer
from cnnkit.sklearn.place import use_for

if TYPE_CHECKING:
    from cnnkit.sklearn.neural_net import NeuralNet

__all__ = ["changed", "renew", "set_settings"]

ABSENT = object()


def changed(before: dict[str, Any], now: dict[str, Any]) -> set[str]:
    """The names in `now` whose values are others than `before`; arrays and objects count by identity.

    >>> sorted(changed({"lr": 0.1, "module": int}, {"lr": 0.2, "module": int, "optimizer__eps": 1.0}))
    ['lr', 'optimizer__eps']
    """
    simple = (bool, int, float, str, tuple, type(None))
    return {name for name, value in now.items() if (old := before.get(name, ABSENT)) is not value
            and not (type(value) in simple and type(old) is type(value) and old == value)}


def renew(net: NeuralNet, names: Collection[str]) -> None:
    """Let parameters that `set_params` has changed count in an estimator that is fitted, as skorch does.

    A module whose class or arguments changed is made anew, without its weights, and so is its optimizer;
    settings of the optimizer are set in it, and its averages stay.
    """
    parts = {name.partition("__")[0] for name in names}
    if "random_state" in names:
        net._draw_seed()
    with net._draws(0), use_for(net.backend, None):
        if "module" in parts:
            net.module_ = net._instance("module")
        if "criterion" in parts:
            net.criterion_ = net._instance("criterion")
    if "backend" in names and net.backend is not None:
        net.module_.to(net.backend)
        if isinstance(net.criterion_, Module):
            net.criterion_.to(net.backend)
    if "module" in parts or "optimizer" in names:
        net.optimizer_ = net._made_optimizer()
        return
    settings = net._optimizer_settings()
    given = {name.removeprefix("optimizer__") for name in names if name == "lr" or "optimizer__" in name}
    set_settings(net.optimizer_, {name: settings[name] for name in given})


def set_settings(optimizer: Optimizer, settings: dict[str, Any]) -> None:
    """Set settings in all of an optimizer's groups.

    Raises
    ------
    TypeError, ValueError
        If the optimizer has no such setting, or it is out of range. Nothing has been changed then.
    """
    unknown = settings.keys() - optimizer.defaults.keys()
    if unknown:
        raise TypeError(f"{type(optimizer).__name__} has no setting {', '.join(sorted(unknown))}; "
                        f"it has {', '.join(optimizer.defaults)}")
    values = {name: plain(value) for name, value in settings.items()}
    for group in optimizer.param_groups:
        optimizer.check({**group, **values})
    for group in optimizer.param_groups:
        group.update(values)
