"""A run's whole state, from which it goes on to the same bits, as a tree of plain values and Tensors."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cnnkit import random
from cnnkit.autograd import Tensor, no_grad
from cnnkit.evaluation.contracts import AugmentingLoader, Loader, ResumableLoader
from cnnkit.evaluation.evaluate import count
from cnnkit.evaluation.tally import Tally
from cnnkit.models.frozen import freeze_as_saved, frozen_parts
from cnnkit.storage import FormatError
from cnnkit.train.checkpoints import CheckpointWarning
from cnnkit.train.history import Epoch
from cnnkit.train.identity import (
    Change,
    ResumeError,
    accepts,
    differences,
    other_beginning,
    other_numerics,
    saved_in,
)
from cnnkit.train.mixed_precision import PLAIN
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
    seconds=NUMBER, lr=NUMBER, history=list_of(_ROW), callbacks=mapping_of(MAPPING),
    scaler=MAPPING, frozen=record(parameters=list_of(TEXT), layers=list_of(TEXT)),
    missing=("augment", "scaler", "frozen"))


def state_of(run: Run) -> dict[str, Any]:
    """Everything that the coming batches depend on, and what the run has measured so far."""
    loader = run.loader
    return {
        "epoch": run.epoch, "batch": run.batch, "step": run.step, "identity": run.identity,
        "model": {name: Tensor(value.array) for name, value in _parameters_and_buffers(run)},
        "frozen": frozen_parts(run.model),
        "optimizer": {"name": type(run.optimizer).__name__, "state": run.optimizer.state_dict()},
        "scheduler": None if run.scheduler is None else {
            "name": type(run.scheduler).__name__, "state": run.scheduler.state_dict(),
            "epochs": run.planned},
        "ema": None if run.ema is None else run.ema.state_dict(), "scaler": run.mixed.scaler.state_dict(),
        "random": random.get_state(),
        "data": _data_description(loader), "augment": _augmentation(loader),
        "loader": _loader_state(run),
        "tally": run.tally.state(), "seconds": run.seconds, "lr": run.epoch_lr,
        "history": [asdict(row) for row in run.history.epochs[:run.epoch]],  # the last may be under way
        "callbacks": {name: callback.state_dict() for name, callback in _named_callbacks(run)},
    }


def restore(run: Run, state: Mapping[str, Any], compare: bool = True) -> None:
    """Return a run to the state that `state_of` took.

    Without `compare`, the state is known to be of a run with the same settings and data.

    Raises
    ------
    ValueError
        If the state is of another model, optimizer, schedule or data, or of a run with other settings that
        ``run.resume_changes`` does not accept; the message names everything that differs.
    FormatError
        A ValueError: if the state is none, or a part of it is not what it should be; the message names it.
    """
    check(state, STATE, "the checkpoint's state")
    accepted = _check(run, state) if compare else _fits(run, state)
    if isinstance(run.loader, ResumableLoader):
        with part("the checkpoint's loader"):
            run.loader.load_state_dict(state["loader"])
        run.loader_state = state["loader"]
    given = [dict(group) for group in run.optimizer.param_groups]
    with part("the checkpoint's optimizer"):
        for n, (group, saved) in enumerate(zip(run.optimizer.param_groups,
                                               state["optimizer"]["state"]["param_groups"])):
            settings = {name: value for name, value in group.items() if name != "params"}
            check(saved, like(settings), f"param_groups[{n}]")
        run.optimizer.load_state_dict(state["optimizer"]["state"])
    if accepted:
        _keep_settings(run, given)
    if run.scheduler is not None:
        with part("the checkpoint's scheduler"):
            check(state["scheduler"]["state"], like(run.scheduler.state_dict()), "its state")
            run.scheduler.load_state_dict(state["scheduler"]["state"])
    if run.mixed.scaler.is_enabled() and state.get("scaler"):
        with part("the checkpoint's scaler of losses"):
            check(state["scaler"], like(run.mixed.scaler.state_dict()), "its state")
            run.mixed.scaler.load_state_dict(state["scaler"])
    with no_grad():
        for name, value in _parameters_and_buffers(run):
            value.replace_(copied_like(state["model"][name], value))
    if "frozen" in state and "trained parameters" not in {change.name for change in accepted}:
        with part("the checkpoint's list of what is frozen"):
            freeze_as_saved(run.model, state["frozen"])
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
    return run.loader.state_dict() if run.loader_state is None else run.loader_state


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


def _keep_settings(run: Run, given: list[dict[str, Any]]) -> None:
    """Let the optimizer have the settings that it was given; a schedule's rates stay the checkpoint's."""
    for group, settings in zip(run.optimizer.param_groups, given):
        for name, value in settings.items():
            if name != "params" and (run.scheduler is None or name not in ("lr", "initial_lr")):
                group[name] = value


def _check(run: Run, state: Mapping[str, Any]) -> list[Change]:
    """Refuse a state that does not fit the run; what differs otherwise and is accepted."""
    saved, shapes = saved_in(state), _other_shapes(run, state)
    changes = _misfits(run, state)
    fits = not changes and not shapes
    changes += _other_settings(run, state, changes)
    if not fits or not all(accepts(run.resume_changes, change) for change in changes):
        raise ResumeError(changes, shapes, fits)
    _check_epochs(run, state)
    if saved is None:
        _warn("the checkpoint says nothing of its run's settings and data (an older version of cnnkit wrote "
              "it), so they were not compared")
    if changes:
        _warn(f"the run goes on although {_listed(changes)}")
    if saved is not None and run.identity is not None:
        if beginning := other_beginning(saved, run.identity):
            _warn("the run goes on from the checkpoint, not from what this program begins with: "
                  + _listed(beginning))
        if numerics := other_numerics(saved, run.identity):
            _warn(f"the run goes on, but its bits may differ from now on: {_listed(numerics)}")
    return changes


def _fits(run: Run, state: Mapping[str, Any]) -> list[Change]:
    """Refuse a state that has no place in the run."""
    changes, shapes = _misfits(run, state), _other_shapes(run, state)
    if changes or shapes:
        raise ResumeError(changes, shapes, acceptable=False)
    return []


def _listed(changes: list[Change]) -> str:
    return "; ".join(map(str, changes))


def _warn(sentence: str) -> None:
    warnings.warn(sentence, CheckpointWarning, stacklevel=6)  # where `fit` was called


def _other_settings(run: Run, state: Mapping[str, Any], misfits: list[Change]) -> list[Change]:
    """Settings and data that differ, but for those that follow from `misfits`."""
    saved, names = saved_in(state), {change.name for change in misfits}
    if saved is None or run.identity is None:
        before, now = state.get("augment"), _augmentation(run.loader)
        return [] if before == now else [Change("augmentation", str(before), str(now))]
    other_schedule = bool(names & {"scheduler", "schedule's number of epochs"})
    before = {"precision": PLAIN, **saved["settings"]}  # older checkpoints do not say it
    return [change for change in differences(before, run.identity["settings"])
            if not (other_schedule and change.name.startswith("scheduler"))]


def _misfits(run: Run, state: Mapping[str, Any]) -> list[Change]:
    """What differs and cannot be gone on with, because the state has no place in the run."""
    changes: list[Change] = []

    def compare(setting: str, saved: Any, current: Any) -> None:
        if str(saved) != str(current):  # as texts: a damaged state may hold anything
            changes.append(Change(setting, str(saved), str(current)))

    compare("kind of data", _loader_kind(state["loader"] is not None),
            _loader_kind(isinstance(run.loader, ResumableLoader)))
    for name, value in _data_description(run.loader).items():
        is_count = name in ("samples", "batches an epoch")
        compare(f"number of {name}" if is_count else name, state["data"].get(name), value)
    compare("optimizer", state["optimizer"]["name"], type(run.optimizer).__name__)
    compare("scheduler", state["scheduler"] and state["scheduler"]["name"],
            run.scheduler and type(run.scheduler).__name__)
    if run.scheduler is not None and state["scheduler"] is not None:
        compare("schedule's number of epochs", state["scheduler"].get("epochs"), run.planned)
    compare("average of weights (ema)", state["ema"] is not None, run.ema is not None)
    return changes


def _check_epochs(run: Run, state: Mapping[str, Any]) -> None:
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


def _other_shapes(run: Run, state: Mapping[str, Any]) -> list[str]:
    """A sentence on parameters and buffers that the state does not fit, if there are any."""
    current, saved = ({name: tuple(value.shape) for name, value in values}
                      for values in (_parameters_and_buffers(run), state["model"].items()))
    differing = [f"{name} {saved.get(name, 'missing')} is {current.get(name, 'missing')} now"
                 for name in {**current, **saved} if current.get(name) != saved.get(name)]
    return [f"it is of another model: {'; '.join(differing[:4])}{'; ...' if len(differing) > 4 else ''}"
            ] if differing else []
