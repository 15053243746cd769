"""Updates keep tables of pointers from step to step, and must notice replaced parameters and state."""

import copy

import numpy as np
import pytest
from cnnkit_cpu import update

import cnnkit
from cnnkit import optim

OPTIMIZERS = [(optim.SGD, {"lr": 0.1, "momentum": 0.9}), (optim.SGD, {"lr": 0.1}), (optim.Adam, {"lr": 0.1}),
              (optim.Adam, {"lr": 0.1, "amsgrad": True})]
SHAPES = [(3, 5), (7,), (2, 3, 3)]


def draws(step):
    rng = np.random.default_rng(step)
    return [rng.standard_normal(shape) for shape in SHAPES]


def trained(make, settings, table, between):
    """The parameters after six steps by the kernels of `table`, each after a call of `between`."""
    dtype = np.float64 if table == "numpy" else np.float32
    with cnnkit.use(table):
        params = [cnnkit.tensor(p.astype(dtype), requires_grad=True) for p in draws(100)]
        optimizer = make(params, **settings)
        for step in range(6):
            for p, g in zip(params, draws(step)):
                p.grad = cnnkit.tensor(g.astype(dtype))
            between(step, optimizer, params)
            optimizer.step()
        return [p.numpy() for p in params]


def nothing(step, optimizer, params):
    pass


def values_are_replaced(step, optimizer, params):
    if step in (2, 3):
        with cnnkit.no_grad():
            params[1].copy_(np.arange(7.0))
            params[0].mul_(0.5)


def arrays_are_put_back(step, optimizer, params):
    if step == 2:
        optimizer.kept = params[2].detach()
    if step == 4:
        params[2]._value = optimizer.kept.array


def one_is_frozen_for_a_while(step, optimizer, params):
    if step in (2, 3):
        params[1].grad = None


def the_state_is_loaded(step, optimizer, params):
    if step == 1:
        optimizer.kept = optimizer.state_dict()
    if step == 4:
        optimizer.load_state_dict(optimizer.kept)


def parameters_are_strided(step, optimizer, params):
    if step == 3:
        params[0]._value = np.asfortranarray(params[0].array)


def momentum_pauses(step, optimizer, params):
    if isinstance(optimizer, optim.SGD) and optimizer.defaults["momentum"]:
        optimizer.param_groups[0]["momentum"] = 0.0 if step == 3 else 0.9


def amsgrad_begins(step, optimizer, params):
    if isinstance(optimizer, optim.Adam):
        optimizer.param_groups[0]["amsgrad"] = step >= 3


@pytest.mark.parametrize("between",
                         [nothing, values_are_replaced, arrays_are_put_back, one_is_frozen_for_a_while,
                          the_state_is_loaded, parameters_are_strided, momentum_pauses, amsgrad_begins])
@pytest.mark.parametrize(("make", "settings"), OPTIMIZERS)
def test_steps_are_numpys_whatever_happens_between_them(make, settings, between):
    for got, expected in zip(trained(make, settings, "cpu", between),
                             trained(make, settings, "numpy", between)):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("make", "settings"), OPTIMIZERS)
def test_old_parameters_that_somebody_holds_are_not_written(make, settings):
    snapshots = []

    def hold(step, optimizer, params):
        snapshots.append([(p.array, p.numpy().copy()) for p in params])
    trained(make, settings, "cpu", hold)
    for step in snapshots:
        for array, values in step:
            np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize(("make", "settings"), OPTIMIZERS)
def test_an_interrupted_step_has_changed_nothing(monkeypatch, make, settings, after):
    def interrupt(step, optimizer, params):
        if step not in (2, 3):
            return
        original = params[0].array
        replacement = original + 9
        if step == 3:  # its pointer is entered before the interruption
            params[0]._value = replacement
        count = iter(range(after + 1))
        empty = update.empty

        def interrupted(shape):
            if next(count) == after:
                raise KeyboardInterrupt
            return empty(shape)
        values_before = [p.numpy().copy() for p in params]
        monkeypatch.setattr(update, "empty", interrupted)
        with pytest.raises(KeyboardInterrupt):
            optimizer.step()
        monkeypatch.setattr(update, "empty", empty)
        for p, values in zip(params, values_before):
            np.testing.assert_array_equal(p.numpy(), values)
        params[0]._value = original
    for got, expected in zip(trained(make, settings, "cpu", interrupt),
                             trained(make, settings, "numpy", nothing)):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)


def test_a_copied_optimizer_does_not_write_to_the_originals_state():
    with cnnkit.use("cpu"):
        p = cnnkit.tensor(np.ones(4, np.float32), requires_grad=True)
        p.grad = cnnkit.tensor(np.ones(4, np.float32))
        optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.step()
        copied = copy.deepcopy(optimizer)
        state = optimizer.state_dict()["state"][0]["momentum_buffer"].numpy()
        for _ in range(3):
            copied.step()
        np.testing.assert_array_equal(optimizer.state_dict()["state"][0]["momentum_buffer"].numpy(), state)
