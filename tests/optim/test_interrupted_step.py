"""A step that an interrupt ends is taken whole or not at all, and may be taken again."""

import sys

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, conformance, optim

SHAPES = [(3, 5), (7,), (2, 3, 3)]
TABLES = [table.name for table in backends.kernel_tables("numpy") if table.available() is True]
DEVICES = [name for name in ("emulator", "cupy") if conformance.names()[name] is True]


def parameters(optimizer):
    return [p.numpy().copy() for group in optimizer.param_groups for p in group["params"]]


def launching(frame):
    """Whether this is a part of a launch of the emulator, which on a GPU happens or does not."""
    while frame is not None:
        if "cnnkit_emulator" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def trained(make, settings, at=None):
    """The parameters after six steps, the last but one of them interrupted at the `at`-th line of Python.

    It is taken again unless it has happened. With it: whether there were so many lines.
    """
    def draws(step):
        rng = np.random.default_rng(step)
        return [rng.standard_normal(shape).astype(np.float32) for shape in SHAPES]
    params = [cnnkit.tensor(p, requires_grad=True) for p in draws(100)]
    optimizer = make([{"params": params[:2]}, {"params": params[2:], "lr": 0.05}], lr=0.1, **settings)
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if "cnnkit" not in frame.f_code.co_filename or launching(frame):
            return None
        if event == "line":
            count += 1
            if count == at:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace
    for step in range(6):
        for p, g in zip(params, draws(step)):
            p.grad = cnnkit.tensor(g)
        if step != 4 or at is None:
            optimizer.step()
            continue
        before, outer = parameters(optimizer), sys.gettrace()
        sys.settrace(trace)
        try:
            optimizer.step()
        except KeyboardInterrupt:
            same = [(a == b).all() for a, b in zip(before, parameters(optimizer))]
            assert all(same) or not any(same)
            if all(same):
                optimizer.step()
        finally:
            sys.settrace(outer)
    return parameters(optimizer), at is not None and count >= at


def read(groups, **settings):
    """An optimizer whose state is kept as Tensors, because somebody has read it."""
    optimizer = optim.NAdam(groups, **settings)
    assert not optimizer.state
    return optimizer


@pytest.mark.parametrize(("table", "make", "settings"), [
    *(pytest.param(table, make, settings, marks=[pytest.mark.heavy] if table in DEVICES else [])
      for table in (*TABLES, *DEVICES, "array-api-strict") for make, settings in (
        (optim.SGD, {"momentum": 0.9, "dampening": 0.5}), (optim.Adam, {"amsgrad": True}))),
    ("numpy", read, {"weight_decay": 0.1})])
def test_a_step_interrupted_anywhere_has_happened_or_can_be_taken_again(table, make, settings):
    if table == "array-api-strict":
        pytest.importorskip("array_api_strict")
    with cnnkit.use(table):
        wanted, _ = trained(make, settings)
        at, came_so_far = 1, True
        while came_so_far:
            got, came_so_far = trained(make, settings, at)
            for a, b in zip(got, wanted):
                np.testing.assert_array_equal(a, b)
            at += 5
    assert at > 50
