"""What a launch on CuPy costs the host beside CuPy's own call: counted, for times depend on the machine."""

import sys
from collections import Counter

import numpy as np
import pytest
from cnnkit_cupy import launcher

import cnnkit
from cnnkit import backends, nn, optim
from cnnkit import functional as F


def calls_of(function):
    """How often each Python function is called while `function` runs, by its qualified name."""
    counts = Counter()

    def profile(frame, event, _):
        if event == "call":
            counts[frame.f_code.co_qualname] += 1
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return counts


def forget_launches():
    """Let all launches be prepared anew."""
    launcher.forget()
    for kernel in launcher.KERNELS.values():
        kernel.launches.clear()


@pytest.fixture
def step(cupy):
    """A training step whose kernels take structures, the update's among them; three have been made."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Linear(32, 10))
    optimizer = optim.Adam(net.parameters())
    x, y = cnnkit.tensor(rng.random((4, 1, 4, 4), np.float32)), cnnkit.tensor(np.arange(4))

    def one():
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    for _ in range(3):
        one()
    return one


def test_no_launch_lets_numpy_describe_a_structure(step):
    """NumPy makes the `descr` of a structured dtype in Python: 10 to 65 us a launch."""
    assert calls_of(step)["_array_descr"] == 0


def test_structures_that_cupy_is_given_as_they_are_would_be_found(step, monkeypatch):
    forget_launches()
    with monkeypatch.context() as mutant:
        mutant.setattr(backends.get("cupy").cuda, "by_value", lambda packed: packed)
        try:
            assert calls_of(step)["_array_descr"] >= 5
        finally:
            forget_launches()


def test_a_step_packs_what_changes_and_nothing_else(step):
    """Adam's correction is another in each step; all other numbers were packed with the first launch."""
    counts = calls_of(step)
    assert {name: n for name, n in counts.items() if name.endswith(".pack")} == {"Struct.pack": 1}
