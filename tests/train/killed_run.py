"""A training run with everything that a checkpoint keeps, for `test_killed.py` to kill.

``python killed_run.py FOLDER BACKEND EPOCHS [uncaptured]``: with its steps captured, where the backend has
kernels that can be, or without. When it is done it writes ``FOLDER/done.json``: the checksum
of the final weights, and the history without its times.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import cnnkit
from cnnkit import backends, nn, no_grad, random, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Checkpoint, CSVLogger, EarlyStopping, LearningRateMonitor


def main(folder: Path, backend: str, epochs: int, captured: bool) -> None:
    """Train, going on where an earlier process was killed."""
    cnnkit.use(backend)
    random.seed(11)
    model = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Dropout(0.3), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
    with no_grad():  # a memory layout of its own, which every update keeps
        model[5].weight.copy_(np.asfortranarray(model[5].weight.numpy()))
    rates, stopping = LearningRateMonitor(), EarlyStopping("val_loss", patience=50)
    can_be = captured and any(table.native for table in backends.get(backend).serving())
    history = train.fit(model, Subset(datasets.digits(train=True), range(600)), epochs=epochs,
                        batch_size=16, lr=0.01, validation=Subset(datasets.digits(train=False), range(150)),
                        metrics=["f1", "top_2"], scheduler="one-cycle",
                        accumulate_grad_batches=2, clip_norm=1.0, ema=0.9, class_weight="balanced",
                        augment="flip,crop=1,rotate,mixup", resume=True, progress=False,
                        capture=can_be,
                        callbacks=[Checkpoint(folder / "checkpoints", every_n_batches=3, monitor="val_f1"),
                                   rates, stopping, CSVLogger(folder / "log.csv")])
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(f"{name} {value.numpy().strides}".encode() + value.numpy().tobytes())
    rows = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
            for row in history.as_dicts()]
    (folder / "done.json").write_text(
        json.dumps({"weights": digest.hexdigest(), "history": rows, "rates": rates.rates,
                    "best": [stopping.best, stopping.best_epoch], "random": random.get_state()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), "uncaptured" not in sys.argv)
