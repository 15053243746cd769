"""A run's whole state, from which it goes on to the same bits, as a tree of plain values and Tensors."""

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
from cnnkit.storage import FormatError
from cnnkit.train.history import Epoch
from cnnkit.train.schema import (
    MAPPING,
    NUMBER,
    TENSOR,
    TEXT,
    WHOLE,
    check,
    either,
    like,
    list_of,
    mapping_of,
    optional,
    part,
    record,
)
from cnnkit.train.tree import copied_like

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["STATE", "restore", "state_of"]

_ROW = record(closed=True, epoch=WHOLE, loss=NUMBER, accuracy=optional(NUMBER), images_per_second=NUMBER,
              seconds=NUMBER, val_loss=optional(NUMBER), val_accuracy=optional(NUMBER), lr=optional(NUMBER),
              metrics=MAPPING, missing=("val_loss", "val_accuracy", "lr", "metrics"))
_OPTIMIZER = record(
    state=mapping_of(mapping_of(optional(either(TENSOR, NUMBER, name="a Tensor or a number"))), WHOLE),
    param_groups=list_of(record(params=list_of(WHOLE))))
STATE = record(  # what `state_of` returns
    epoch=WHOLE, batch=WHOLE, step=WHOLE, model=mapping_of(TENSOR),
    optimizer=record(name=TEXT, state=_OPTIMIZER),
    scheduler=optional(record(name=TEXT, state=MAPPING, epochs=optional(WHOLE), missing=("epochs",))),
    ema=optional(mapping_of(TENSOR)), random=record(seed=WHOLE, count=WHOLE),
    data=MAPPING, augment=optional(TEXT), loader=optional(MAPPING), tally=list_of(NUMBER, 5),
    seconds=NUMBER, lr=NUMBER, history=list_of(_ROW), callbacks=mapping_of(MAPPING), missing=("augment",))


def state_of(run: Run) -> dict[str, Any]:
    """Everything that the coming batches depend on, and what the run has measured so far."""
    loader = run.loader
    return {
        "epoch": run.epoch, "batch": run.batch, "step": run.step,
        "model": {name: Tensor(value.array) for name, value in _parameters_and_buffers(run)},
        "optimizer": {"name": type(run.optimizer).__name__, "state": run.optimizer.state_dict()},
        "scheduler": None if run.scheduler is None else {
            "name": type(run.scheduler).__name__, "state": run.scheduler.state_dict(),
            "epochs": run.planned},
        "ema": None if run.ema is None else run.ema.state_dict(),
        "random": random.get_state(),
        "data": _data_description(loader), "augment": _augmentation(loader),
        "loader": _loader_state(run),
        "tally": run.tally.state(), "seconds": run.seconds, "lr": run.epoch_lr,
        "history": [asdict(row) for row in run.history],
        "callbacks": {name: callback.state_dict() for name, callback in _named_callbacks(run)},
    }


def restore(run: Run, state: Mapping[str, Any]) -> None:
    """Return a run to the state that `state_of` took.

    Raises
    ------
    ValueError
        If the state is of another model, optimizer, schedule or data; the message names what differs.
    FormatError
        A ValueError: if the state is none, or a part of it is not what it should be; the message names it.
    """
    check(state, STATE, "the checkpoint's state")
    _check(run, state)
    if isinstance(run.loader, ResumableLoader):
        with part("the checkpoint's loader"):
            run.loader.load_state_dict(state["loader"])
        run.loader_state = state["loader"]
    with part("the checkpoint's optimizer"):
        for n, (group, saved) in enumerate(zip(run.optimizer.param_groups,
                                               state["optimizer"]["state"]["param_groups"])):
            settings = {name: value for name, value in group.items() if name != "params"}
            check(saved, like(settings), f"param_groups[{n}]")
        run.optimizer.load_state_dict(state["optimizer"]["state"])
    if run.scheduler is not None:
        with part("the checkpoint's scheduler"):
            check(state["scheduler"]["state"], like(run.scheduler.state_dict()), "its state")
            run.scheduler.load_state_dict(state["scheduler"]["state"])
    with no_grad():
        for name, value in _parameters_and_buffers(run):
            value.replace_(copied_like(state["model"][name], value))
    if run.ema is not None:
        with part("the checkpoint's average of weights (ema)"):
            run.ema.load_state_dict(state["ema"])
    run.epoch, run.batch, run.step = state["epoch"], state["batch"], state["step"]
    run.seconds, run.epoch_lr = state["seconds"], state["lr"]
    run.tally = Tally.of(state["tally"])
    run.history.epochs = [Epoch(**row) for row in state["history"]]
    for name, callback in _named_callbacks(run):
        if name in state["callbacks"]:
            with part(f"the checkpoint's callback {name}"):
                callback.load_state_dict(state["callbacks"][name])
    run.random_state = state["random"]
    with part("the checkpoint's random state"):
        random.set_state(run.random_state)


def _parameters_and_buffers(run: Run) -> list[tuple[str, Tensor]]:
    """Parameters and buffers, those that a ``state_dict`` leaves out and the optimizer's own included."""
    values = dict([*run.model.named_parameters(), *run.model.named_buffers()])
    return list((values | dict(run.named_parameters())).items())


def _loader_state(run: Run) -> dict[str, Any] | None:
    """The state of a resumable loader before the current epoch, or between epochs before the next one."""
    if not isinstance(run.loader, ResumableLoader):
        return None
    return run.loader_state if run.batch else run.loader.state_dict()


def _data_description(loader: Loader) -> dict[str, int | str | None]:
    """What must not differ in the data of a resumed run."""
    description = dict(loader.describe_batches()) if isinstance(loader, ResumableLoader) else {}
    return {**description, "batches an epoch": count(loader)}


def _augmentation(loader: Loader) -> str | None:
    """A text on a loader's augmentation that is the same in every process."""
    return loader.describe_augmentation() if isinstance(loader, AugmentingLoader) else None


def _named_callbacks(run: Run) -> list[tuple[str, Any]]:
    """Callbacks by the name of their class, numbered where there are several."""
    count: Counter = Counter()
    named = []
    for callback in run.callbacks:
        name = type(callback).__name__
        count[name] += 1
        named.append((name if count[name] == 1 else f"{name} {count[name]}", callback))
    return named


def _loader_kind(resumable: bool) -> str:
    return "a loader that can be resumed" if resumable else "a loader that cannot"


def _check(run: Run, state: Mapping[str, Any]) -> None:
    def require_same(setting: str, saved: Any, current: Any) -> None:
        if saved != current:
            raise ValueError(f"the checkpoint cannot be resumed: its {setting} was {saved}, "
                             f"and now it is {current}; resume with the settings that the run began with")

    require_same("kind of data", _loader_kind(state["loader"] is not None),
                 _loader_kind(isinstance(run.loader, ResumableLoader)))
    for name, value in _data_description(run.loader).items():
        is_count = name in ("samples", "batches an epoch")
        require_same(f"number of {name}" if is_count else name, state["data"].get(name), value)
    require_same("augmentation", state.get("augment"), _augmentation(run.loader))
    require_same("optimizer", state["optimizer"]["name"], type(run.optimizer).__name__)
    require_same("scheduler", state["scheduler"] and state["scheduler"]["name"],
                 run.scheduler and type(run.scheduler).__name__)
    if run.scheduler is not None:
        require_same("schedule's number of epochs", state["scheduler"].get("epochs"), run.planned)
    require_same("average of weights (ema)", state["ema"] is not None, run.ema is not None)
    batches = count(run.loader)
    if batches is not None and state["batch"] > batches:
        raise FormatError(f"the checkpoint's state has done {state['batch']} batches of an epoch that has "
                          f"{batches}")
    done, begun = state["epoch"], state["epoch"] + (state["batch"] > 0)
    if run.epochs < begun:
        under_way = f" and {state['batch']} batches of the next one" if state["batch"] else ""
        raise ValueError(f"epochs={run.epochs} is less than the checkpoint has done, {done} "
                         f"epoch{'' if done == 1 else 's'}{under_way}; to go on, ask for {begun} or more "
                         "(the checkpoint stays as it is)")
    current, saved = ({name: tuple(value.shape) for name, value in values}
                      for values in (_parameters_and_buffers(run), state["model"].items()))
    differing = [f"{name} {saved.get(name, 'missing')} is {current.get(name, 'missing')} now"
                 for name in {**current, **saved} if current.get(name) != saved.get(name)]
    if differing:
        raise ValueError("the checkpoint is of another model: "
                         f"{'; '.join(differing[:4])}{'; ...' if len(differing) > 4 else ''}")
