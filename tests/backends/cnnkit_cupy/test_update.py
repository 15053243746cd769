"""Optimizer kernels: several steps beside float64, state in place, and what is declined."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, optim
from cnnkit.ops.update import UPDATES

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
SGD = {"lr": 0.1, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0,
       "nesterov": False, "maximize": False}
ADAM = {"lr": 0.01, "betas": (0.9, 0.99), "eps": 1e-6, "weight_decay": 0.0, "amsgrad": False,
        "decoupled_weight_decay": False, "maximize": False}
SETTINGS = [("sgd", {**SGD, **more})
            for more in ({}, {"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True},
                         {"weight_decay": 0.2, "maximize": True, "momentum": 0.5})]
SETTINGS += [("adam", {**ADAM, **more})
             for more in ({}, {"amsgrad": True, "maximize": True}, {"weight_decay": 0.3},
                          {"weight_decay": 0.3, "decoupled_weight_decay": True})]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("update", "attrs"), SETTINGS, ids=[f"{n}-{u}" for n, (u, _) in enumerate(SETTINGS)])
def test_four_steps_give_what_float64_gives(update, attrs, dtype):
    rng, emulator = np.random.default_rng(0), backends.get("emulator")
    params = [rng.standard_normal(shape).astype(dtype)
              for shape in ((300, 8), (7, 3), (6, 2, 2), (8,), (0, 3))]
    actual, expected = [emulator.asarray(p) for p in params], [p.astype(np.float64) for p in params]
    state, expected_state, workspace = {}, {}, {}
    for _ in range(4):
        grads = [rng.standard_normal(p.shape).astype(dtype) for p in params]
        actual, state = UPDATES[update](actual, [emulator.asarray(g) for g in grads], state,
                                        workspace=workspace, **attrs)
        doubles = [g.astype(np.float64) for g in grads]
        expected, expected_state = UPDATES[update].generic(expected, doubles, expected_state,
                                                           workspace={}, **attrs)
    tolerance = 1e-5 if dtype == "float32" else 5e-3
    for a, b in zip(actual, expected):
        np.testing.assert_allclose(emulator.to_numpy(a).astype(np.float64), b, rtol=tolerance, atol=tolerance)


def test_state_of_the_kernels_own_is_written_in_place_and_nobody_elses():
    emulator = backends.get("emulator")
    p, g = emulator.asarray(np.ones(8, np.float32)), emulator.asarray(np.ones(8, np.float32))
    workspace, attrs = {}, {**SGD, "momentum": 0.5}
    _, state = UPDATES["sgd"]([p], [g], {}, workspace=workspace, **attrs)
    buffer = state["momentum_buffer"][0]
    _, again = UPDATES["sgd"]([p], [g], state, workspace=workspace, **attrs)
    assert again["momentum_buffer"][0] is buffer
    assert emulator.to_numpy(buffer).tolist() == [1.5] * 8
    UPDATES["sgd"]([p], [g], {"momentum_buffer": [buffer]}, workspace={}, **attrs)
    assert emulator.to_numpy(buffer).tolist() == [1.5] * 8
    assert emulator.to_numpy(p).tolist() == [1.0] * 8


def test_amsgrad_may_be_turned_on_after_some_steps():
    results = []
    for name in ("emulator", "numpy"):
        with cnnkit.use(name):
            p = cnnkit.tensor(np.linspace(-1, 1, 6), dtype="float32", requires_grad=True)
            optimizer = optim.Adam([p], lr=0.1)
            for step in range(4):
                optimizer.param_groups[0]["amsgrad"] = step > 1
                optimizer.zero_grad()
                (p * p * (4 - step)).sum().backward()
                if name == "numpy":
                    with backends.tables():
                        optimizer.step()
                else:
                    optimizer.step()
            results.append(p.numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)


@pytest.mark.parametrize("change", [lambda a: a.T, lambda a: backends.get("emulator").asarray(a, "float64")],
                         ids=["transposed", "float64"])
def test_what_the_kernels_do_not_take_goes_to_the_generic_update(change):
    from cnnkit_cupy.update import sgd

    a = change(backends.get("emulator").asarray(np.ones((2, 3), np.float32)))
    assert sgd([a], [a], {}, workspace={}, **SGD) is NotImplemented
