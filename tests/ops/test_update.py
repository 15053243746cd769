"""Optimizer updates: loops over numbers, on every array library, and what a kernel may write."""

import math

import numpy as np
import pytest
from against_torch import PLACES, Place

from cnnkit import backends
from cnnkit.ops.update import UPDATES, adam, sgd, update

SGD = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0,
       "nesterov": False, "maximize": False}
ADAM = {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.0, "amsgrad": False,
        "decoupled_weight_decay": False, "maximize": False}
CASES = [(sgd, {**SGD, **changes}) for changes in (
    {}, {"weight_decay": 0.2, "maximize": True}, {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.4, "weight_decay": 0.2},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.5, "nesterov": True, "maximize": True, "weight_decay": 0.1})]
CASES += [(adam, {**ADAM, **changes}) for changes in (
    {}, {"weight_decay": 0.2}, {"weight_decay": 0.2, "decoupled_weight_decay": True, "maximize": True},
    {"amsgrad": True, "weight_decay": 0.1})]
SHAPES = [(3,), (2, 2), ()]


def numbers(case):
    return "-".join([case[0].name, *(k for k, v in case[1].items() if k not in ("lr", "betas", "eps") and v)])


@pytest.fixture(params=[*PLACES, "jax"])
def place(request):
    return Place(request.param)


def by_hand(name, p, g, memory, h, t):
    """One step of one number."""
    g = -g if h["maximize"] else g
    if h.get("decoupled_weight_decay"):
        p -= h["lr"] * h["weight_decay"] * p
    else:
        g += h["weight_decay"] * p
    if name == "sgd":
        b = g if t == 1 else h["momentum"] * memory["b"] + (1 - h["dampening"]) * g
        memory["b"] = b
        return p - h["lr"] * (g + h["momentum"] * b if h["nesterov"] else b if h["momentum"] else g)
    beta1, beta2 = h["betas"]
    memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * g * g
    memory["max"] = v = max(memory.get("max", 0), memory["v"]) if h["amsgrad"] else memory["v"]
    return p - h["lr"] * memory["m"] / (1 - beta1 ** t) / (math.sqrt(v / (1 - beta2 ** t)) + h["eps"])


@pytest.mark.parametrize("case", CASES, ids=numbers)
def test_four_steps_equal_the_formula_number_by_number(place, case):
    function, hyper = case
    rng = np.random.default_rng(0)
    expected = [rng.normal(size=s) for s in SHAPES]
    params, state, workspace = [place.array(p) for p in expected], {}, {}
    memories = [[{} for _ in range(p.size)] for p in expected]
    counts = [0] * len(SHAPES)
    for step in range(4):
        # every gradient is missing at some step
        grads = [None if (step + n) % 3 == 0 else rng.normal(size=s) for n, s in enumerate(SHAPES)]
        for n, g in enumerate(grads):
            if g is not None:
                counts[n] += 1
                updated = [by_hand(function.name, p, d, memory, hyper, counts[n])
                           for p, d, memory in zip(expected[n].ravel().tolist(),
                                                   g.ravel().tolist(), memories[n])]
                expected[n] = np.reshape(updated, SHAPES[n])
        with place.tables():
            new, state = function(params, [place.array(g) for g in grads], state,
                                  workspace=workspace, **hyper)
        for old, after, g in zip(params, new, grads):
            assert (after is old) == (g is None)
        params = new
        for n, array in enumerate(params):
            np.testing.assert_allclose(place.numpy(array), expected[n], **place.close)


@pytest.mark.parametrize("case", CASES, ids=numbers)
def test_no_array_of_the_caller_is_written_and_none_is_shared(case):
    function, hyper = case
    rng = np.random.default_rng(0)
    params, grads = [rng.normal(size=(4, 5))], [rng.normal(size=(4, 5))]
    for tables in ("numpy",), ():
        state = {}
        for _ in range(2):
            inputs = [*params, *grads, *arrays_in(state)]
            copies = [a.copy() for a in inputs]
            for a in inputs:
                a.flags.writeable = False
            with backends.tables(*tables):
                new, state = function(params, grads, state, workspace={}, **hyper)
            for a, b in zip(inputs, copies):
                np.testing.assert_array_equal(a, b)
            assert not any(np.shares_memory(a, b) for a in [*new, *arrays_in(state)]
                           for b in [*params, *grads])


def arrays_in(state):
    return [a for column in state.values() for a in column if isinstance(a, np.ndarray)]


@pytest.mark.parametrize("case", CASES, ids=numbers)
@pytest.mark.parametrize("shape", [(70, 500), (40000,), (2, 3, 5)])
def test_numpy_kernels_equal_the_generic_update_in_blocks_and_in_other_layouts(case, shape):
    function, hyper = case
    rng = np.random.default_rng(0)
    start = np.asfortranarray(rng.normal(size=shape))
    gradients = [rng.normal(size=shape) for _ in range(3)]
    results = []
    for tables in ("numpy",), ():
        params, state, workspace = [start], {}, {}
        with backends.tables(*tables):
            for g in gradients:
                params, state = function(params, [g], state, workspace=workspace, **hyper)
        results.append(params[0])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-10, atol=1e-12)
    assert results[0].strides == start.strides


def test_a_table_may_serve_an_update_and_decline():
    calls = []

    def kernel(params, grads, state, *, workspace, **hyper):
        calls.append((workspace, hyper["lr"]))
        return NotImplemented if len(calls) == 1 else (["served"], {})
    backends.register_table(backends.KernelTable("updates", "numpy", {"sgd": kernel}))
    workspace = {}
    try:
        with backends.tables("updates"):
            (new,), _ = sgd([np.ones(2)], [np.ones(2)], {}, workspace=workspace, **SGD)
            assert new.tolist() == [0.9, 0.9]
            assert sgd([np.ones(2)], [np.ones(2)], {}, workspace=workspace, **SGD)[0] == ["served"]
    finally:
        backends.register_table(remove="updates")
    assert calls[0][0] is workspace
    assert calls[0][1] == 0.1


def test_two_updates_of_one_name_raise():
    def sgd(params, grads, state, *, workspace):
        return params, state
    with pytest.raises(ValueError, match="an update called 'sgd' exists already"):
        update(sgd)
    assert UPDATES["sgd"] is globals()["sgd"]
