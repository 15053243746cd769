"""A run's whole state, from which it goes on to the same bits: taken as a tree of plain values and Tensors,
and restored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cnnkit import random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.evaluation.contracts import AugmentingLoader, Loader, ResumableLoader
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
        "scheduler": None if run.scheduler is None else {"name": type(run.scheduler).__name__,
                                                         "state": run.scheduler.state_dict(),
                                                         "epochs": run.planned},
        "ema": None if run.ema is None else run.ema.state_dict(),
        "random": random.get_state(),
        "data": _described(loader), "augment": _augmentation(loader),
        "loader": _loader_state(run),
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
    if isinstance(run.loader, ResumableLoader):
        run.loader.load_state_dict(state["loader"])
        run.loader_state = state["loader"]
    run.optimizer.load_state_dict(state["optimizer"]["state"])
    if run.scheduler is not None:
        run.scheduler.load_state_dict(state["scheduler"]["state"])
    with no_grad():
        for name, value in _values(run):
            value.replace_(placed(state["model"][name], value))
    if run.ema is not None:
        run.ema.load_state_dict(state["ema"])
    run.epoch, run.batch, run.step, run.seconds = (state[name]
                                                   for name in ("epoch", "batch", "step", "seconds"))
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


def _loader_state(run: Run) -> dict[str, Any] | None:
    """The state of a resumable loader before the epoch that is going on, or before the next one."""
    if not isinstance(run.loader, ResumableLoader):
        return None
    return run.loader_state if run.batch else run.loader.state_dict()


def _described(loader: Loader) -> dict[str, int | str | None]:
    """What a resumed run must find again in its data."""
    described = dict(loader.describe_batches()) if isinstance(loader, ResumableLoader) else {}
    return {**described, "batches an epoch": count(loader)}


def _augmentation(loader: Loader) -> str | None:
    """A loader's augmentation in words that are the same in another process."""
    return loader.describe_augmentation() if isinstance(loader, AugmentingLoader) else None


def _named(run: Run) -> list[tuple[str, Any]]:
    """Callbacks by the name of their class, numbered where there are several."""
    count: Counter = Counter()
    named = []
    for callback in run.callbacks:
        name = type(callback).__name__
        count[name] += 1
        named.append((name if count[name] == 1 else f"{name} {count[name]}", callback))
    return named


def _kind(resumable: bool) -> str:
    return "a loader that can be resumed" if resumable else "a loader that cannot"


def _check(run: Run, state: Mapping[str, Any]) -> None:
    def need(what: str, saved: Any, now: Any) -> None:
        if saved != now:
            raise ValueError(f"the checkpoint cannot be resumed: its {what} was {saved}, "
                             f"and now it is {now}; resume with the settings that the run began with")

    need("kind of data", _kind(state["loader"] is not None), _kind(isinstance(run.loader, ResumableLoader)))
    for name, value in _described(run.loader).items():
        counted = name in ("samples", "batches an epoch")
        need(f"number of {name}" if counted else name, state["data"].get(name), value)
    need("augmentation", state.get("augment"), _augmentation(run.loader))
    need("optimizer", state["optimizer"]["name"], type(run.optimizer).__name__)
    need("scheduler", state["scheduler"] and state["scheduler"]["name"],
         run.scheduler and type(run.scheduler).__name__)
    if run.scheduler is not None:
        need("schedule's number of epochs", state["scheduler"].get("epochs"), run.planned)
    need("average of weights (ema)", state["ema"] is not None, run.ema is not None)
    own, saved = ({name: tuple(value.shape) for name, value in values}
                  for values in (_values(run), state["model"].items()))
    differing = [f"{name} {saved.get(name, 'missing')} is {own.get(name, 'missing')} now"
                 for name in {**own, **saved} if own.get(name) != saved.get(name)]
    if differing:
        raise ValueError("the checkpoint is of another model: "
                         f"{'; '.join(differing[:4])}{'; ...' if len(differing) > 4 else ''}")
