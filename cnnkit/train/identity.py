"""A run's identity: everything on which its bits depend, by name, as text; and what differs between two.

Settings and data are a part of their own, because a run goes on with other ones only if that is asked for.
Where it computes, and what it began with but no longer depends on, may differ: that is told.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import cnnkit
from cnnkit import backends, random
from cnnkit.autograd import Tensor
from cnnkit.backends import backend_of
from cnnkit.data import DataLoader, Subset, description
from cnnkit.data.dataset import ArrayDataset
from cnnkit.data.datasets.image_files import ImageFiles
from cnnkit.data.fingerprint import fingerprint
from cnnkit.evaluation.contracts import AugmentingLoader, Loader
from cnnkit.foreign import device_of
from cnnkit.nn import Module
from cnnkit.train.describe import checksum, code_of, describe, settings_of

if TYPE_CHECKING:
    from cnnkit.train.run import Run

__all__ = ["Change", "Changes", "Identity", "ResumeError", "accepts", "check_changes", "differences",
           "numerics", "of", "other_beginning", "other_numerics", "saved_in"]

Changes = str | Sequence[str]  # "refuse", "warn", or the names of what may differ
Identity = dict[str, dict[str, str]]  # "settings" and "circumstances", each name -> text

DRAWN = "count of random numbers"
# what a checkpoint has too, so that a run which goes on from it no longer depends on it
BEGINNING = ("random seed", DRAWN, "key of the data's order", "checksum of the initial weights")
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
OF_SCHEDULES = ("base_lrs", "last_epoch", "_last_lr", "_step_count", "best")  # of a schedule's state
OF_GROUPS = ("params", "param_names", "lr", "initial_lr")  # of a parameter group; `_groups` has the rates


class Change(NamedTuple):
    """Something that is not what it was when the checkpoint was written."""

    name: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"its {self.name} was {self.was}, and now it is {self.now}"


class ResumeError(ValueError):
    """A checkpoint is of a run with other settings or data.

    Attributes
    ----------
    changes : list of Change
        All that differs.
    problem : str
        All that differs, in words.
    acceptable : bool
        Whether the run can go on in spite of it, with ``resume_changes``.
    """

    acceptable: bool
    changes: list[Change]

    def __init__(self, changes: Sequence[Change], shapes: Sequence[str] = (), acceptable: bool = True):
        self.changes, self.acceptable = list(changes), acceptable
        self.problem: str = f"the checkpoint cannot be resumed: {'; '.join([*map(str, changes), *shapes])}"
        hint = (", or accept what differs: fit(..., resume_changes="
                f"{[change.name for change in changes]}), or 'warn' for any" if acceptable else "")
        super().__init__(f"{self.problem}; resume with the settings and the data that the run began "
                         f"with{hint}")


def of(run: Run, seed: int | None) -> Identity:
    """The identity of a run that has not begun, with its first weights and rates."""
    settings = dict([*_groups(run), *_schedule(run), *_loss(run), *_model(run.model),
                     *_data("data", run.loader), *_data("validation data", run.validation)])
    settings |= {"seed": describe(seed), "accumulate_grad_batches": describe(run.accumulate),
                 "precision": run.mixed.name,
                 "clip_norm": describe(run.clip_norm), "clip_value": describe(run.clip_value),
                 "ema": "None" if run.ema is None else describe(run.ema.decay),
                 "trained parameters": describe([name for name, value in run.named_parameters()
                                                 if value.requires_grad])}
    if run.sharding is not None:
        settings["shards"] = describe(run.sharding.shards)
    settings |= {f"{type(callback).__name__}'s {name}": describe(value) for callback in run.callbacks
                 for name, value in callback.identity().items()}
    return {"settings": settings, "circumstances": _circumstances(run)}


def differences(saved: Mapping[str, str], current: Mapping[str, str]) -> list[Change]:
    """What differs between two parts of identities, in the order of the second.

    >>> differences({"lr": "0.1", "seed": "0"}, {"lr": "0.2", "seed": "0"})
    [Change(name='lr', was='0.1', now='0.2')]
    """
    return [Change(name, saved.get(name, "missing"), current.get(name, "missing"))
            for name in {**current, **saved} if saved.get(name) != current.get(name)]


def saved_in(state: Mapping[str, Any]) -> Identity | None:
    """The identity in a checkpoint; ``None`` if an older version of cnnkit wrote it.

    Raises
    ------
    ValueError
        If it is something else.
    """
    saved = state.get("identity")
    if saved is not None and not (
            isinstance(saved, Mapping) and saved.keys() == {"settings", "circumstances"}
            and all(isinstance(part, Mapping) and all(isinstance(text, str) for text in part.values())
                    for part in saved.values())):
        raise ValueError("the checkpoint's identity, the settings and the data of its run, is not what "
                         "cnnkit writes; use the checkpoint before it")
    return saved  # type: ignore[return-value]


def other_beginning(saved: Identity, current: Identity) -> list[Change]:
    """What differs between the beginnings of two runs, such as the seed of the initial weights.

    Nothing where the generator has the same seed and merely gave more numbers before: a program that draws
    others for a model which then goes on from a checkpoint, as in a notebook, means nothing by it.
    """
    changes = [change for change in differences(saved["circumstances"], current["circumstances"])
               if change.name in BEGINNING]
    names = {change.name for change in changes}
    return [] if DRAWN in names and "random seed" not in names else [
        change for change in changes if change.name != DRAWN]


def other_numerics(saved: Identity, current: Identity) -> list[Change]:
    """What differs between machines, libraries, versions and code, and may change the last bits."""
    return [change for change in differences(saved["circumstances"], current["circumstances"])
            if change.name not in BEGINNING]


def check_changes(changes: Changes) -> Changes:
    """`fit`'s argument `resume_changes`, if it is one."""
    names = not isinstance(changes, str) and all(isinstance(name, str) for name in changes)
    if not names and changes not in ("refuse", "warn"):
        raise ValueError("resume_changes must be 'refuse', 'warn', or a list of the names of what may "
                         f"differ, such as ['lr']; got {changes!r}")
    return changes


def accepts(changes: Changes, change: Change) -> bool:
    """Whether `resume_changes` lets a run go on although this has changed."""
    return changes == "warn" if isinstance(changes, str) else change.name in changes


def _groups(run: Run) -> Iterator[tuple[str, str]]:
    groups = run.optimizer.param_groups
    for number, group in enumerate(groups):
        where = f" of group {number}" if len(groups) > 1 else ""
        # the rate that it began with: a schedule has perhaps set the first one already
        yield f"lr{where}", describe(group.get("initial_lr", group["lr"]))
        for name in sorted(name for name in group if name not in OF_GROUPS):
            yield f"{name}{where}", describe(group[name])
        if where:
            yield f"parameters{where}", describe([tuple(value.shape) for value in group["params"]])


def _schedule(run: Run) -> Iterator[tuple[str, str]]:
    if run.scheduler is None:
        return
    yield "scheduler_interval", describe("step" if run.per_batch else "epoch")
    settings = {**_without_state(run.scheduler.state_dict()),
                **{name: value for name, value in vars(run.scheduler).items() if name == "lr_lambdas"}}
    for name in sorted(settings):
        yield f"scheduler's {name.lstrip('_')}", describe(settings[name])
    if run.watched is not None:
        yield "scheduler_monitor", describe(run.watched.name)


def _without_state(schedule: Any) -> Any:
    """A schedule's settings, without where it stands and the rates that it began with."""
    if isinstance(schedule, Mapping):
        return {name: _without_state(value) for name, value in schedule.items() if name not in OF_SCHEDULES}
    if isinstance(schedule, list):
        return [_without_state(value) for value in schedule]
    return schedule


def _loss(run: Run) -> Iterator[tuple[str, str]]:
    loss = run.loss_function
    yield "loss", describe(loss)


def _model(model: Module) -> Iterator[tuple[str, str]]:
    """Each layer's class and settings; its children have entries of their own."""
    for path, module in model.named_modules():
        texts = {name: text for name, text in settings_of(module).items()
                 if not isinstance(vars(module)[name], Module | Tensor)}
        settings = ", ".join(f"{name}={text}" for name, text in texts.items())
        yield (f"layer {path}" if path else "model"), f"{describe(type(module))}({settings})"
    dtypes = {backends.dtype_name(value.dtype) for value in (*model.parameters(), *model.buffers())}
    yield "dtype", ", ".join(sorted(dtype for dtype in dtypes if "float" in dtype))
    yield "layers in evaluation mode", describe([path for path, module in model.named_modules()
                                                 if not module.training])


def _data(what: str, loader: Loader | None) -> Iterator[tuple[str, str]]:
    if loader is None:
        yield what, "None"
        return
    if isinstance(loader, AugmentingLoader) and what == "data":
        yield "augmentation", loader.describe_augmentation() or "None"
    if not isinstance(loader, DataLoader):
        yield what, describe(type(loader))
        return
    if what != "data":  # whose batches are compared in `state`, because the place in an epoch counts them
        yield f"{what}: batches", describe(loader.describe_batches())
    for name, value in (("shuffle", loader.shuffle), ("drop_last", loader.drop_last),
                        ("sampler", loader.given_sampler), ("collate_fn", loader.collate_fn)):
        yield f"{what}: {name}", describe(value)
    if loader.augment is not None and what == "data":
        yield "augmentation's settings", describe(loader.augment)
    if loader.streaming and loader.shuffle:
        yield f"{what}: buffer_size", describe(loader.buffer_size)
    dataset: Any = loader.dataset
    yield what, _samples(dataset)
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    if isinstance(dataset, ArrayDataset | ImageFiles):
        yield f"{what}: transform", describe(dataset.transform)
    if isinstance(dataset, ImageFiles):
        yield f"{what}: size and mode", f"{dataset.image_size} {dataset.mode}"


def _samples(dataset: Any) -> str:
    """A checksum of the samples, or of the labels where there is no more to be had."""
    known = fingerprint(dataset)
    if known is not None:
        return known[:16]
    targets = description.targets(dataset)
    return f"{describe(dataset)}{'' if targets is None else f' with labels {describe(targets)}'}"


def _circumstances(run: Run) -> dict[str, str]:
    values = dict([*run.model.named_parameters(), *run.model.named_buffers(), *run.named_parameters()])
    array = next(iter(values.values())).array
    backend = backend_of(array)
    tables = backend.serving()
    circumstances = {
        "cnnkit's version": cnnkit.__version__,
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "NumPy": metadata.version("NumPy"),
        "backend": backend.name, "array library": f"{backend.distribution} {backend.version()}",
        "device": str(device_of(array)),
        "machine": f"{platform.system()} {platform.machine()}",
        "kernel tables": ", ".join(table.name for table in tables) or "none",
        "precision": backends.precision_level(),
        "random seed": str(random.get_state()["seed"]), DRAWN: str(random.get_state()["count"]),
        "checksum of the initial weights": checksum(values[name] for name in sorted(values)),
        "code of model, loss, schedule and augmentation": code_of(_own_code(run)),
        "hooks": describe([hook for module in run.model.modules() for hook in _hooks(module)])}
    for table in tables:
        if table.runtime is not None:  # how many threads: its results are the same with any number
            circumstances[f"kernels of {table.name}"] = ", ".join(
                part for part in table.runtime.describe().split(", ") if "thread" not in part)
    if not tables or any(str(value.dtype).endswith("float64") for value in values.values()):
        circumstances["threads of matrix products"] = next(
            (os.environ[name] for name in BLAS_THREADS if os.environ.get(name)), str(os.cpu_count()))
    if isinstance(run.loader, DataLoader):
        circumstances["key of the data's order"] = describe(run.loader.state_dict()["key"])
    return circumstances


def numerics(run: Run) -> dict[str, str]:
    """What the last bits of a run's arithmetic depend on: libraries, kernels, precision."""
    circumstances = _circumstances(run)
    names = ("NumPy", "array library", "machine", "kernel tables", "precision")
    return {name: text for name, text in circumstances.items()
            if name in names or name.startswith("kernels of ")}


def _hooks(module: Module) -> list[Any]:
    return [hook.call for hook in vars(module).get("_hooks", ())]


def _lambdas(schedule: Any) -> list[Any]:
    """The functions of a schedule, and of those that it is made of."""
    settings = {} if schedule is None else vars(schedule)
    parts = settings.get("_schedulers", [])
    return [*settings.get("lr_lambdas", []), *(function for part in parts for function in _lambdas(part))]


def _own_code(run: Run) -> Iterator[Any]:
    """Classes and functions that are not cnnkit's."""
    loader = run.loader
    used: list[Any] = [*(type(module) for module in run.model.modules()), run.loss_function,
                       type(run.loss_function), *_lambdas(run.scheduler)]
    if isinstance(loader, DataLoader):
        used += [loader.augment, type(loader.augment), loader.collate_fn]
    for value in used:
        if not (isinstance(value, type) and value.__module__.split(".")[0] in ("cnnkit", "builtins")):
            yield value
