"""What cnnkit's own Python costs: a training step whose kernels do nothing but hand out arrays
made beforehand.

``python asv_benchmarks/benchmarks/overhead.py`` prints the figure without asv.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import numpy as np

import cnnkit
from cnnkit import backends, nn, optim, train
from cnnkit import functional as F

FUSED = ("conv", "activation?", "pool?")


class GuideNet(nn.Module):
    """The guide's PyTorch class: one convolution, ReLU, max pooling, one dense layer."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, stride=1, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc1 = nn.Linear(8 * 14 * 14, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = x.view(-1, 8 * 14 * 14)
        return self.fc1(x)


def preallocated(batch: int) -> backends.KernelTable:
    """A kernel table whose results were made once, for the shapes of GuideNet at one batch size."""
    rng = np.random.default_rng(0)

    def array(*shape):
        return rng.standard_normal(shape, dtype=np.float32)

    flat, flat_grads = array(batch, 1568), (array(batch, 8, 14, 14),)
    pooled, pooled_grads = array(batch, 8, 14, 14), (None, array(8, 1, 3, 3), array(8))
    scores, scores_grads = array(batch, 10), (array(batch, 1568), array(10, 1568), array(10))
    loss, loss_grads = np.float32(2.3).reshape(()), (array(batch, 10), None, None)
    updated = [array(8, 1, 3, 3), array(8), array(10, 1568), array(10)]

    def sgd(parameters, gradients, state, **settings):
        return updated, state

    return backends.KernelTable("preallocated", "numpy", {
        FUSED: lambda *arrays, needs, calls: (pooled, lambda dy: pooled_grads),
        "reshape": lambda x, *, needs, shape: (flat, lambda dy: flat_grads),
        "linear": lambda x, weight, bias, *, needs: (scores, lambda dy: scores_grads),
        "cross_entropy": lambda logits, target, weight, *, needs, **attrs: (loss, lambda dy: loss_grads),
        "sgd": sgd,
    }, priority=100)


class TrainingStep:
    """Forward, loss, backward and SGD with momentum of the guide's network, without a loader."""

    params = [32, 1024]
    param_names = ["batch"]

    def setup(self, batch):
        backends.register_table(preallocated(batch))
        cnnkit.use("preallocated")
        self.model = GuideNet()
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.0, momentum=0.9)
        self.x = cnnkit.tensor(np.zeros((batch, 1, 28, 28), np.float32))
        self.y = cnnkit.tensor(np.zeros(batch, np.int64))

    def teardown(self, batch):
        cnnkit.use(None)
        backends.register_table(remove="preallocated")

    def time_python(self, batch):
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.x), self.y).backward()
        self.optimizer.step()


class FitLoop(TrainingStep):
    """The same steps run by `train.fit`, with its tally, progress and history, on batches that are there."""

    steps = 200

    def time_fit(self, batch):
        train.fit(self.model, iter([(self.x, self.y)] * self.steps), optimizer=self.optimizer, progress=False)


class Import:
    """The time until ``import cnnkit`` is done, in a fresh process."""

    def track_import_seconds(self):
        code = "import time; t = time.perf_counter(); import cnnkit; print(time.perf_counter() - t)"
        runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
                for _ in range(7)]
        return statistics.median(float(run.stdout) for run in runs)
    track_import_seconds.unit = "s"  # type: ignore[attr-defined]


def main() -> None:
    """Print the median of many steps."""
    bench = FitLoop()
    bench.setup(32)
    rounds, fitted = [], []
    for _ in range(50):
        start = time.perf_counter()
        for _ in range(bench.steps):
            bench.time_python(32)
        middle = time.perf_counter()
        bench.time_fit(32)
        rounds.append((middle - start) / bench.steps)
        fitted.append((time.perf_counter() - middle) / bench.steps)
    bench.teardown(32)
    print("Python overhead of a training step of the guide's network: "
          f"{statistics.median(rounds) * 1e6:.1f} us (median of {len(rounds)} rounds of {bench.steps} steps)")
    print(f"what train.fit adds: {statistics.median(b - a for a, b in zip(rounds, fitted)) * 1e6:.1f} us a "
          "step, its start and end included")
    print(f"import cnnkit: {Import().track_import_seconds() * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
