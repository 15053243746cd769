"""Press Ctrl-C while a command trains."""

import os
import signal


def press():
    os.kill(os.getpid(), signal.SIGINT)


def at_batch(monkeypatch, number, times):
    """Press Ctrl-C after the training's batch `number`, so many times."""
    from cnnkit.train.progress import Lines

    steps = []

    def step(self, tally):
        steps.append(1)
        for _ in range(times if len(steps) == number else 0):
            press()

    monkeypatch.setattr(Lines, "step", step)
