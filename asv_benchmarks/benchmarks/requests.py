"""What a training step asks of a GPU, counted on the software device or the emulator: no GPU is needed.

`tests/backends/cnnkit_cupy/test_requests.py` holds the figures that must not grow. Numbers of launches, of
copies and of waits are those of a GPU; host time is this machine's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn, optim, train

NETWORKS = ("W1", "W2", "lenet5", "mobilenet", "resnet18", "resnet50")
FOLDER = Path(__file__).resolve().parent
WARM = 3  # steps before the one that is counted


def task(name: str, count: int):
    """The network called `name`, its optimizer, SGD with momentum, and so many images and labels."""
    from benchmarks.networks import network

    net, shape = (models.resnet50(num_classes=10), (3, 64, 64)) if name == "resnet50" else network(name, nn)
    rng = np.random.default_rng(0)
    return (net, optim.SGD(net.parameters(), lr=1e-3, momentum=0.9),
            cnnkit.tensor(rng.standard_normal((count, *shape), dtype=np.float32)),
            cnnkit.tensor(rng.integers(0, 10, count)))


def step_of(name: str, backend: str, batch: int = 4):
    """A training step of the network called `name` as a function."""
    cnnkit.use(backend)
    net, optimizer, x, y = task(name, batch)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return step


def counted(name: str) -> dict[str, float]:
    """What one step of `name` asks of the software device that this process runs on, after some others."""
    import time

    import cnnkit_softcuda

    step = step_of(name, "cupy")
    for _ in range(WARM):
        step()
    cnnkit_softcuda.reset()
    step()
    stats: dict[str, float] = dict(cnnkit_softcuda.stats())
    times = []
    for _ in range(5):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return {**stats, "host_us": 1e6 * min(times), "python_calls": python_calls(step)}


def python_calls(function: Callable[[], None]) -> int:
    """How many functions of Python's a call runs: what host time is mostly made of, on every machine."""
    count = 0

    def profile(frame: Any, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call"
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def counted_in_fit(name: str, capture: bool = False, batch: int = 4) -> dict[str, float]:
    """What one step of `train.fit` asks of the software device, whose data are on it, after some others."""
    import cnnkit_softcuda

    cnnkit.use("cupy")
    net, optimizer, x, y = task(name, 8 * batch)
    counts: list[dict[str, float]] = []

    class Counting(train.callbacks.Callback):
        """Count from step to step."""

        def on_train_batch_end(self, run: Any) -> None:
            counts.append(dict(cnnkit_softcuda.stats()))
            cnnkit_softcuda.reset()

    train.fit(net, (x.array, y.array), epochs=4, batch_size=batch, optimizer=optimizer, seed=0,
              capture=capture, progress=False, callbacks=[Counting()])
    return counts[-2]


@lru_cache
def on_software_device(name: str, what: str = "step") -> dict[str, float]:
    """`counted`, or for ``"fit"`` `counted_in_fit`, in a process of its own.

    The kernels of a ``"step"`` do not run (``--null``): what is left is the host's. `fit` looks at its data.

    Raises
    ------
    NotImplementedError
        Where there is no software device: asv skips the benchmark then.
    """
    command = [sys.executable, "-m", "cnnkit_softcuda", *(["--null"] if what == "step" else []),
               sys.executable, "-m", "benchmarks.requests", what, name]
    done = subprocess.run(command, cwd=FOLDER.parent, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    if done.returncode:
        raise NotImplementedError(f"no software device: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Requests:
    """Launches, copies, allocations and waits of a step on CuPy, and the time of the host."""

    params = [list(NETWORKS)]
    param_names = ["network"]
    timeout = 600

    def setup(self, name):
        self.counts = on_software_device(name)

    def track_launches(self, name):
        """Kernels, those of cuBLAS too."""
        return self.counts["launches"] + self.counts["blas_calls"]

    def track_bytes(self, name):
        """Bytes that are copied between host and device, or on it."""
        return sum(self.counts[f"bytes_{way}"] for way in ("to_device", "from_device", "on_device"))
    track_bytes.unit = "bytes"  # type: ignore[attr-defined]

    def track_copies(self, name):
        """Copies between host and device."""
        return self.counts["copies_to_device"] + self.counts["copies_from_device"]

    def track_allocations(self, name):
        """Allocations of the device's memory, which CuPy's pool did not have."""
        return self.counts["allocations"]

    def track_synchronisations(self, name):
        """Waits of the host."""
        return self.counts["synchronisations"]

    def track_python_calls(self, name):
        """Functions of Python's that a step runs."""
        return self.counts["python_calls"]

    def track_host_time(self, name):
        """Processor time of the host's thread for a step whose kernels do not run."""
        return self.counts["host_us"]
    track_host_time.unit = "us"  # type: ignore[attr-defined]


class RequestsInFit:
    """The same of a step of `train.fit`, whose data are on the device."""

    params = [["W1", "W2", "lenet5", "mobilenet"]]
    param_names = ["network"]
    timeout = 600

    def setup(self, name):
        self.counts = on_software_device(name, "fit")

    def track_launches(self, name):
        """Kernels, those too that gather the batch and count what is right."""
        return self.counts["launches"] + self.counts["blas_calls"]

    def track_copies(self, name):
        """Copies between host and device: the positions of the batch's samples."""
        return self.counts["copies_to_device"] + self.counts["copies_from_device"]

    def track_synchronisations(self, name):
        """Waits of the host."""
        return self.counts["synchronisations"]


class Traffic:
    """Bytes that the kernels of our own read and write in a step, from the emulator."""

    params = [["W1", "W2", "lenet5", "mobilenet"]]
    param_names = ["network"]
    timeout = 600

    def setup(self, name):
        try:
            self.step = step_of(name, "emulator", batch=1)
        except cnnkit.backends.Unavailable as reason:
            raise NotImplementedError(str(reason)) from reason
        self.step()

    def teardown(self, name):
        cnnkit.use(None)

    def track_bytes(self, name):
        """Of arrays, in sectors of 32 bytes."""
        from cnnkit_emulator.device import counted as watched

        with watched() as launches:
            self.step()
        return 32 * sum(site.actual for launch in launches for site in launch.sites if not site.shared)
    track_bytes.unit = "bytes"  # type: ignore[attr-defined]


if __name__ == "__main__":
    print(json.dumps({"step": counted, "fit": counted_in_fit}[sys.argv[1]](sys.argv[2])))
