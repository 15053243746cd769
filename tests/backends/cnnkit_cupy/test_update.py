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


def stepped(name, settings, params, steps, dtype=np.float32):
    """The parameters after some steps; `steps` has the gradients of each, or None."""
    backend, state, workspace = backends.get("emulator"), {}, {}
    params = [backend.asarray(p) for p in params]
    for grads in steps:
        grads = [None if g is None else backend.asarray(g) for g in grads]
        params, state = UPDATES[name](params, grads, state, workspace=workspace, **settings)
    return [backend.to_numpy(p) for p in params], workspace


@pytest.mark.parametrize(("name", "settings"), [("sgd", {**SGD, "momentum": 0.9}), ("adam", ADAM)])
def test_many_parameters_of_any_size_share_launches_and_get_the_bits_of_one_alone(name, settings, launches):
    rng = np.random.default_rng(0)
    shapes = [(n,) for n in (*range(1, 60), 0, 1023, 1024, 1025, 4096, 2, 3, 4, 5)]
    params = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    steps = [[rng.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(2)]
    together, _ = stepped(name, settings, params, steps)
    assert [kernel for kernel, _ in launches["update"]] == [f"{name}<float>"] * 2 * len(steps)
    for i in (0, 3, 40, 59, 60, 61, 62, 63, 64, 67):
        (alone,), _ = stepped(name, settings, params[i:i + 1], [grads[i:i + 1] for grads in steps])
        np.testing.assert_array_equal(together[i], alone)


@pytest.mark.parametrize(("name", "settings"), [("sgd", {**SGD, "momentum": 0.9, "dampening": 0.5}),
                                                ("adam", ADAM)])
def test_parameters_that_join_later_have_steps_of_their_own(name, settings, launches):
    rng = np.random.default_rng(0)
    params = [rng.standard_normal(5).astype(np.float32) for _ in range(3)]
    steps = [[rng.standard_normal(5).astype(np.float32) for _ in range(3)] for _ in range(4)]
    steps[0][1] = steps[1][1] = steps[2][2] = None
    together, _ = stepped(name, settings, params, steps)
    for i in range(3):
        grads = [[step[i]] for step in steps if step[i] is not None]
        (alone,), _ = stepped(name, settings, params[i:i + 1], grads)
        np.testing.assert_array_equal(together[i], alone)


def test_parameters_of_two_dtypes_are_two_launches(launches):
    params = [np.ones(4, np.float32), np.ones(9, np.float16)]
    (a, b), _ = stepped("sgd", SGD, params, [[p / 2 for p in params]] * 2)
    assert [kernel for kernel, _ in launches["update"]] == ["sgd<float>", "sgd<__half>"] * 2
    assert (a.tolist(), b.dtype) == (pytest.approx([0.9] * 4), np.float16)


def test_views_of_any_address_are_updated_element_by_element():
    emulator = backends.get("emulator")
    memory = emulator.asarray(np.arange(10, dtype=np.float32))
    p, g = memory[1:], emulator.asarray(np.ones(9, np.float32))
    (new,), _ = UPDATES["sgd"]([p], [g], {}, workspace={}, **SGD)
    np.testing.assert_allclose(emulator.to_numpy(new), np.arange(1, 10) - 0.1, rtol=1e-6)


def test_a_call_that_is_no_optimizers_writes_into_nothing_that_it_was_given():
    emulator = backends.get("emulator")
    p, g = emulator.asarray(np.ones(8, np.float32)), emulator.asarray(np.ones(8, np.float32))
    workspace, attrs = {}, {**SGD, "momentum": 0.5}
    params, state = UPDATES["sgd"]([p], [g], {}, workspace=workspace, **attrs)
    given = [p, *params, *state["momentum_buffer"]]
    before = [emulator.to_numpy(a).tolist() for a in given]
    UPDATES["sgd"](params, [g], state, workspace=workspace, **attrs)
    assert [emulator.to_numpy(a).tolist() for a in given] == before


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


@pytest.mark.parametrize(("name", "settings"), [("sgd", {**SGD, "momentum": 0.9}), ("adam", ADAM)])
def test_parameters_that_somebody_replaces_between_steps_are_updated_as_ever(name, settings):
    rng, backend = np.random.default_rng(0), backends.get("emulator")
    start, other = (rng.standard_normal((2, 40)).astype(np.float32) for _ in range(2))
    grads = rng.standard_normal((4, 40)).astype(np.float32)
    params, state, workspace = [backend.asarray(start[0])], {}, {}
    expected, expected_state = [start[0].astype(np.float64)], {}
    for n, g in enumerate(grads):
        if n == 2:
            params, expected = [backend.asarray(other[0])], [other[0].astype(np.float64)]
        params, state = UPDATES[name](params, [backend.asarray(g)], state, workspace=workspace, **settings)
        expected, expected_state = UPDATES[name].generic(expected, [g.astype(np.float64)], expected_state,
                                                         workspace={}, **settings)
    np.testing.assert_allclose(backend.to_numpy(params[0]), expected[0], rtol=1e-5, atol=1e-5)
