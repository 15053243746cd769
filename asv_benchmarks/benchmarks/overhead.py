"""The cost of cnnkit's Python code: a training step whose kernels only return arrays made beforehand.

``python asv_benchmarks/benchmarks/overhead.py`` prints the figure without asv.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time

import numpy as np

import cnnkit
from cnnkit import backends, nn, optim, train
from cnnkit import functional as F
from cnnkit.train.callbacks.callback import Callback

FITTED_FROM = 10  # batches, of which the first are recorded
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

    def track_calls(self, batch):
        """How many functions written in Python a step calls: a figure without noise."""
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            calls += event == "call"
        for _ in range(3):  # until nothing is prepared any more
            TrainingStep.time_python(self, batch)
        sys.setprofile(count)
        try:
            TrainingStep.time_python(self, batch)
        finally:
            sys.setprofile(None)
        return calls
    track_calls.unit = "calls"  # type: ignore[attr-defined]


class CapturedStep:
    """The same step, captured, on the kernels in C++, whose calls are left out: what is left is Python, and
    one call of an empty list.

    `learn` is without the optimizer's step.
    """

    params = [[32, 1024], ["step", "learn"]]
    param_names = ["batch", "part"]

    def setup(self, batch, part):
        model = GuideNet()
        optimizer = optim.SGD(model.parameters(), lr=0.0, momentum=0.9)

        def learn(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        def step(x, y):
            loss = learn(x, y)
            optimizer.step()
            return loss

        self.x = cnnkit.tensor(np.zeros((batch, 1, 28, 28), np.float32))
        self.y = cnnkit.tensor(np.zeros(batch, np.int64))
        self.captured = cnnkit.capture(step if part == "step" else learn)
        for _ in range(4):
            self.captured(self.x, self.y)
        if not self.captured.replays:
            raise NotImplementedError("no kernels here can be replayed")
        for plan in self.captured.plans:
            assert not plan.thunks
            for step in plan.steps:
                step._list.calls = 0  # the list is empty from now on; its addresses are still filled in

    def time_python(self, batch, part):
        self.captured(self.x, self.y)


class FitLoop(TrainingStep):
    """The same steps run by `train.fit`, with its tally, progress and history, on one batch repeated."""

    steps = 200

    def time_fit(self, batch):
        train.fit(self.model, iter([(self.x, self.y)] * self.steps), optimizer=self.optimizer, progress=False)


class Emptied(Callback):
    """Leaves the kernels' calls out of what `fit` replays, and notes when that begins and ends."""

    def on_train_batch_end(self, run):
        if run.step == FITTED_FROM:
            for plan in run.learn.plans:
                for step in plan.steps:
                    step._list.calls = 0
            self.before, self.start = run.learn.updates, time.process_time()
        elif run.step > FITTED_FROM:
            self.seconds, self.steps = time.process_time() - self.start, run.step - FITTED_FROM
            self.updates = run.learn.updates - self.before


class CapturedFit:
    """A batch of `train.fit` that is replayed with the optimizer's step, without the kernels' calls."""

    params = [32, 1024]
    param_names = ["batch"]

    def setup(self, batch):
        self.model = GuideNet()
        if not any(table.native for table in backends.backend_of(self.model.fc1.bias.array).serving()):
            raise NotImplementedError("no kernels here can be replayed")
        self.optimizer = optim.SGD(self.model.parameters(), lr=0.0, momentum=0.9)
        self.batch = (cnnkit.tensor(np.zeros((batch, 1, 28, 28), np.float32)),
                      cnnkit.tensor(np.zeros(batch, np.int64)))

    def track_batch(self, batch):
        emptied = Emptied()
        # without its kernels, the loss is whatever its memory held
        with contextlib.suppress(FloatingPointError):
            train.fit(self.model, iter([self.batch] * 500), optimizer=self.optimizer, progress=False,
                      callbacks=[emptied])
        assert emptied.updates == emptied.steps > 400  # the optimizer's steps are computed by the list
        return emptied.seconds / emptied.steps
    track_batch.unit = "s"  # type: ignore[attr-defined]


class Import:
    """The time until ``import cnnkit`` is done, in a fresh process."""

    def track_import_seconds(self):
        code = "import time; t = time.perf_counter(); import cnnkit; print(time.perf_counter() - t)"
        runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
                for _ in range(7)]
        return statistics.median(float(run.stdout) for run in runs)
    track_import_seconds.unit = "s"  # type: ignore[attr-defined]


def main() -> None:
    """Print the medians of many steps, in the process's own time, so that other processes count less."""
    bench = FitLoop()
    bench.setup(32)
    rounds, fitted = [], []
    for _ in range(50):
        start = time.process_time()
        for _ in range(bench.steps):
            bench.time_python(32)
        middle = time.process_time()
        bench.time_fit(32)
        rounds.append((middle - start) / bench.steps)
        fitted.append((time.process_time() - middle) / bench.steps)
    bench.teardown(32)
    print("Python overhead of a training step of the guide's network: "
          f"{statistics.median(rounds) * 1e6:.1f} us (median of {len(rounds)} rounds of {bench.steps} steps)")
    for part in ("step", "learn"):
        captured, replayed = CapturedStep(), []
        captured.setup(32, part)
        for _ in range(20):
            start = time.process_time()
            for _ in range(500):
                captured.time_python(32, part)
            replayed.append((time.process_time() - start) / 500)
        print(f"the same, captured ({part}): {statistics.median(replayed) * 1e6:.1f} us")
    print(f"what train.fit adds: {statistics.median(b - a for a, b in zip(rounds, fitted)) * 1e6:.1f} us a "
          "step, its start and end included")
    fit, batches = CapturedFit(), []
    fit.setup(32)
    for _ in range(20):
        batches.append(fit.track_batch(32))
    print("a batch of train.fit, captured with the optimizer's step: "
          f"{statistics.median(batches) * 1e6:.1f} us")
    print(f"import cnnkit: {Import().track_import_seconds() * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
