"""A training run on any number of processes, started by tests: prints what it ends with as JSON.

``mpiexec -n 2 python program.py '{"recipe": "adam"}'``. A recipe holds what may depend on ranks if it is done
wrongly.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import cnnkit
from cnnkit import distributed, nn, optim, random, train
from cnnkit.data import DataLoader, datasets
from cnnkit.distributed import buckets
from cnnkit.evaluation import metrics
from cnnkit.train.callbacks import Callback, Checkpoint
from cnnkit.train.packed import packed
from cnnkit.train.state import state_of

SAMPLES = 157  # of batches of 32 the last one has 29, of shards some have one sample more


def net(norm: bool, dropout: bool) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), *([nn.BatchNorm2d(8)] if norm else []), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), *([nn.BatchNorm2d(16)] if norm else []), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), *([nn.Dropout(0.3)] if dropout else []), nn.Linear(64, 10))


def wide() -> nn.Module:
    """With convolutions that a process makes for all of its shards at once."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.Dropout(0.2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 48, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(48 * 16, 10))


RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9)},
    "adam": {"optimizer": lambda p: optim.Adam(p, lr=0.01), "dropout": True, "augment": "crop=1,rotate=5"},
    "norm": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9), "norm": True, "ema": 0.9,
             "accumulate_grad_batches": 2},
    "all": {"optimizer": lambda p: optim.AdamW(p, lr=0.01), "norm": True, "dropout": True, "ema": 0.9,
            "augment": "crop=1", "clip_norm": 0.5, "accumulate_grad_batches": 2, "scheduler": "cosine",
            "ignored": True},
    "sync": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9), "norm": True, "sync": True,
             "dropout": True, "accumulate_grad_batches": 2},
    "sync all": {"optimizer": lambda p: optim.Adam(p, lr=0.01), "norm": True, "sync": True, "dropout": True,
                 "ema": 0.9, "augment": "crop=1", "clip_value": 0.01, "accumulate_grad_batches": 2,
                 "scheduler": "cosine", "ignored": True},
    "value": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9), "clip_value": 0.005, "norm": True},
    "wide": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9), "wide": True, "ema": 0.9},
    "few": {"optimizer": lambda p: optim.SGD(p, lr=0.05), "batch_size": 5},  # fewer samples than shards
}


class Dies(Callback):
    """Kills a process, or raises, at one moment: before an update, or in its last backward pass."""

    def __init__(self, how: str, rank: int, step: int, where: str = "step"):
        self.how, self.rank, self.step, self.where = how, rank, step, where
        self.passes = 0

    def on_train_batch_end(self, run: Any) -> None:
        first = next(iter(run.model.parameters()))
        if self.where == "backward" and run.step == self.step and distributed.rank() == self.rank:
            first.register_hook(self._backward)

    def _backward(self, gradient: Any) -> Any:
        self.passes += 1
        if self.passes == 2:  # of the shards of a rank
            self._die()
        return gradient

    def on_before_optimizer_step(self, run: Any) -> None:
        if self.where == "step" and run.step == self.step and distributed.rank() == self.rank:
            self._die()

    def _die(self) -> None:
        if self.how == "kill":
            os.kill(os.getpid(), 9)
        if self.how == "raise":
            raise OSError("the disk is full")
        if self.how == "hang":
            time.sleep(1000)


class DiesInValidation(metrics.F1):
    """Kills a process, or raises, in the validation after an epoch."""

    def __init__(self, how: str, rank: int, epoch: int):
        super().__init__()
        self.dies, self.epoch, self.rank, self.place = Dies(how, rank, 0), epoch, rank, distributed.rank()

    def update(self, output: Any, target: Any) -> None:
        super().update(output, target)
        if len(self._unread) == 3 and self.place == self.rank:  # others get this number when it has died
            self.epoch -= 1
            if not self.epoch:
                self.dies._die()


class Slow(Callback):
    """Makes a rank take so many seconds more for the backward pass of each shard."""

    def __init__(self, rank: int, seconds: float):
        self.rank, self.seconds = rank, seconds

    def on_train_start(self, run: Any) -> None:
        if distributed.rank() == self.rank:
            next(iter(run.model.parameters())).register_hook(self._wait)

    def _wait(self, gradient: Any) -> Any:
        time.sleep(self.seconds)
        return gradient


class Grows(Callback):
    """Wants more ranks after some updates."""

    def __init__(self, step: int, size: int):
        self.step, self.size = step, size

    def on_train_batch_end(self, run: Any) -> None:
        if run.step == self.step:
            distributed.grow_to(self.size)


class Last(Callback):
    """Keeps the run's whole state."""

    state: Any = None

    def on_train_stop(self, run: Any) -> None:
        state = state_of(run)
        for row in state["history"]:  # times differ
            row.update(seconds=0.0, images_per_second=0.0)
        state.update(identity=None, seconds=0.0, callbacks={})
        self.state = hashlib.sha256(packed(state)).hexdigest()


def allow_files_of(nbytes: int) -> None:
    """From now on a write beyond so many bytes of a file fails, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, nbytes))


def main(settings: dict[str, Any]) -> None:
    if "pids" in settings:
        Path(settings["pids"], f"pid-{os.getpid()}").touch()
    if "timeout" in settings:
        distributed.init(timeout=settings["timeout"])
    if "limit" in settings:
        distributed.init()
        if settings["limit"][0] == distributed.rank():
            allow_files_of(settings["limit"][1])
    if "bucket" in settings:
        buckets.BUCKET = settings["bucket"]
    if settings.get("backend"):
        cnnkit.use(settings["backend"])
    recipe = dict(RECIPES[settings.get("recipe", "sgd")])
    if "clip_value" in settings:
        recipe["clip_value"] = settings["clip_value"]
    random.seed(settings.get("seed", 0))
    model = wide() if recipe.pop("wide", False) else net(recipe.pop("norm", False),
                                                         recipe.pop("dropout", False))
    if recipe.pop("sync", False):
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    optimizer = recipe.pop("optimizer")(model.parameters())
    digits = datasets.digits(train=True)
    images, labels = digits.data[:SAMPLES], np.array(digits.targets[:SAMPLES])
    if recipe.pop("ignored", False):
        labels[::7] = -100
    batch_size = recipe.pop("batch_size", 32)
    augment = recipe.pop("augment", None)
    last = Last()
    callbacks: list[Callback] = [last]
    measured: Any = metrics.F1()
    if "measuring" in settings:
        distributed.init()
        measured = DiesInValidation(*settings["measuring"])
    if "die" in settings:
        callbacks.append(Dies(*settings["die"]))
    if "slow" in settings:
        callbacks.append(Slow(*settings["slow"]))
    if "grow" in settings:
        callbacks.append(Grows(*settings["grow"]))
    if "folder" in settings:
        callbacks.append(Checkpoint(settings["folder"], every_n_batches=settings.get("every", 2)))
    data: Any = (images, labels)
    if settings.get("workers"):
        data = DataLoader(cnnkit.data.ArrayDataset(images, labels), batch_size, shuffle=True, seed=3,
                          num_workers=settings["workers"])
        augment = None
    held_out = DataLoader(cnnkit.data.ArrayDataset(images[:50], labels[:50] % 10), 16)  # the ranks share them
    start = time.perf_counter()
    history = train.fit(model, data, epochs=settings.get("epochs", 2), batch_size=batch_size, seed=3,
                        optimizer=optimizer, augment=augment, validation=held_out, metrics={"f1": measured},
                        callbacks=callbacks, shards=settings.get("shards", 8),
                        resume=settings.get("resume", False), progress=settings.get("progress", False),
                        strategy=settings.get("strategy"),
                        capture=settings.get("capture"), **recipe)
    weights = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        weights.update(name.encode() + value.numpy().tobytes())
    print(json.dumps({"rank": distributed.rank(), "ranks": distributed.world_size(),
                      "weights": weights.hexdigest(), "state": last.state, "loss": history[-1].loss,
                      "accuracy": history[-1].accuracy, "val_loss": history[-1].val_loss,
                      "val_f1": history[-1].metrics["val_f1"],
                      "seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {})
