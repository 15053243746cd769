"""A run's whole state, from which it goes on to the same bits: taken as a tree of plain values and Tensors, and restored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cnnkit import random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.evaluation.evaluate import count
from cnnkit.evaluation.tally import Tally
from cnnkit.train.history import Epoch
from cnnkit.train.tree import placed

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["restore", "state_of"]


def state_of(run: Run) -> dict[str, Any]:
    """Everything that the batches to come depend on, and what the run has measured so far."""
    loader = run.loader
    return {
        "epoch": run.epoch, "batch": run.batch, "step": run.step,
        "model": {name: Tensor(value.array) for name, value in _values(run)},
        "optimizer": {"name": type(run.optimizer).__name__, "state": run.optimizer.state_dict()},
        "scheduler": None if run.scheduler is None else {"name": type(run.scheduler).__name__, "state": run.scheduler.state_dict(),
                                                         "epochs": run.planned},
        "ema": None if run.ema is None else run.ema.state_dict(),
        "random": random.get_state(),
        "data": _shape_of(loader), "augment": _described(loader),
        # within an epoch the loader has counted it already
        "loader": {**loader.state_dict(), "epoch": loader.epoch - bool(run.batch)} if hasattr(loader, "skip") else None,
        "tally": run.tally.state(), "seconds": run.seconds, "lr": run.epoch_lr,
        "history": [asdict(row) for row in run.history],
        "callbacks": {name: callback.state_dict() for name, callback in _named(run)},
    }


def restore(run: Run, state: Mapping[str, Any]) -> None:
    """Put a run where `state_of` was taken.

    Raises
    ------
    ValueError
        If the state is of another model, optimizer, schedule or data; the message names what differs.
    """
    _check(run, state)
    if state["loader"] is not None:
        run.loader.load_state_dict(state["loader"])
    run.optimizer.load_state_dict(state["optimizer"]["state"])
    if run.scheduler is not None:
        run.scheduler.load_state_dict(state["scheduler"]["state"])
    with no_grad():
        for name, value in _values(run):
            value.replace_(placed(state["model"][name], value))
    if run.ema is not None:
        run.ema.load_state_dict(state["ema"])
    run.epoch, run.batch, run.step, run.seconds = (state[name] for name in ("epoch", "batch", "step", "seconds"))
    run.epoch_lr = state["lr"]
    run.tally = Tally.of(state["tally"])
    run.history.epochs = [Epoch(**row) for row in state["history"]]
    for name, callback in _named(run):
        if name in state["callbacks"]:
            callback.load_state_dict(state["callbacks"][name])
    run.draws = state["random"]
    random.set_state(run.draws)


def _values(run: Run) -> list[tuple[str, Tensor]]:
    """Parameters and buffers, those that a ``state_dict`` leaves out included."""
    return [*run.model.named_parameters(), *run.model.named_buffers()]


def _shape_of(loader: Any) -> dict[str, int | None]:
    return {"samples": count(loader.dataset) if hasattr(loader, "dataset") else None,
            "batch size": getattr(loader, "batch_size", None),
            "batches an epoch": count(loader)}


def _described(loader: Any) -> str | None:
    """A loader's augmentation in words that are the same in another process."""
    augment = getattr(loader, "augment", None)
    return None if augment is None else re.sub(r" at 0x\w+", "", repr(augment))


def _named(run: Run) -> list[tuple[str, Any]]:
    """Callbacks by the name of their class, numbered where there are several."""
    count: Counter = Counter()
    named = []
    for callback in run.callbacks:
        name = type(callback).__name__
        count[name] += 1
        named.append((name if count[name] == 1 else f"{name} {count[name]}", callback))
    return named


def _check(run: Run, state: Mapping[str, Any]) -> None:
    def need(what: str, saved: Any, now: Any) -> None:
        if saved != now:
            raise ValueError(f"the checkpoint cannot be resumed: its {what} was {saved}, and now it is {now}; resume with the "
                             "settings that the run began with")

    for name, value in _shape_of(run.loader).items():
        need(f"number of {name}" if name != "batch size" else name, state["data"][name], value)
    need("augmentation", state.get("augment"), _described(run.loader))
    need("optimizer", state["optimizer"]["name"], type(run.optimizer).__name__)
    need("scheduler", state["scheduler"] and state["scheduler"]["name"], run.scheduler and type(run.scheduler).__name__)
    if run.scheduler is not None:
        need("schedule's number of epochs", state["scheduler"].get("epochs"), run.planned)
    need("average of weights (ema)", state["ema"] is not None, run.ema is not None)
    need("kind of data", "a DataLoader" if state["loader"] else "no DataLoader",
         "a DataLoader" if hasattr(run.loader, "skip") else "no DataLoader")
    own, saved = ({name: tuple(value.shape) for name, value in values} for values in (_values(run), state["model"].items()))
    differing = [f"{name} {saved.get(name, 'missing')} is {own.get(name, 'missing')} now"
                 for name in {**own, **saved} if own.get(name) != saved.get(name)]
    if differing:
        raise ValueError(f"the checkpoint is of another model: {'; '.join(differing[:4])}{'; ...' if len(differing) > 4 else ''}")
