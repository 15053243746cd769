"""Fifty steps of every optimizer are PyTorch's, in float64, and its states go over and back in the middle."""

import inspect

import numpy as np
import pytest

import cnnkit
from cnnkit import optim

STEPS = 50
SHAPES = [(3, 4), (5,), (2, 3, 2, 2), ()]
MATRICES = [(3, 4), (6, 2), (4, 4)]
ALIKE = [{}, {"lr": 0.05, "weight_decay": 0.1}, {"maximize": True, "weight_decay": 0.01}]
CASES = {
    "SGD": [*ALIKE, {"lr": 0.1, "momentum": 0.9, "nesterov": True},
            {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}],
    "Adam": [*ALIKE, {"betas": (0.5, 0.7), "eps": 1e-3}, {"amsgrad": True, "lr": 0.1},
             {"decoupled_weight_decay": True, "weight_decay": 0.3}],
    "AdamW": [*ALIKE, {"amsgrad": True, "weight_decay": 0.5, "lr": 0.1}],
    "RMSprop": [*ALIKE, {"alpha": 0.8, "eps": 1e-3}, {"momentum": 0.9}, {"centered": True},
                {"centered": True, "momentum": 0.5, "weight_decay": 0.1}],
    "Adagrad": [*ALIKE, {"lr_decay": 0.1, "initial_accumulator_value": 0.5}, {"eps": 1e-2}],
    "Adadelta": [*ALIKE, {"rho": 0.5, "eps": 1e-3}],
    "Adamax": [*ALIKE, {"betas": (0.5, 0.7), "eps": 1e-2}],
    "NAdam": [*ALIKE, {"betas": (0.5, 0.7), "momentum_decay": 0.1},
              {"decoupled_weight_decay": True, "weight_decay": 0.3}],
    "RAdam": [*ALIKE, {"betas": (0.5, 0.7), "eps": 1e-3},
              {"decoupled_weight_decay": True, "weight_decay": 0.3}],
    "ASGD": [*ALIKE, {"lambd": 0.1, "alpha": 0.5, "t0": 10.0}],
    "Rprop": [{}, {"lr": 0.1, "maximize": True}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.2)}],
    "Muon": [{}, {"nesterov": False, "weight_decay": 0.0}, {"adjust_lr_fn": "match_rms_adamw", "lr": 0.05},
             {"momentum": 0.5, "ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5)}],
}
every_case = pytest.mark.parametrize(("name", "settings"), [(name, settings) for name, grid in CASES.items()
                                                            for settings in grid])


@pytest.fixture
def torch(monkeypatch):
    """PyTorch, whose numbers in optimizers' states, and Muon's matrices, are as exact as the parameters."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


def draws(name, seed):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=s)) for s in (MATRICES if name == "Muon" else SHAPES)]


def ours(name, values, settings):
    params = [cnnkit.tensor(v, requires_grad=True, dtype="float64") for v in values]
    return params, getattr(optim, name)([{"params": params[:1]}, {"params": params[1:], "lr": 0.01}],
                                        **settings)


def theirs(torch, name, values, settings):
    params = [torch.tensor(np.array(v), requires_grad=True) for v in values]
    return params, getattr(torch.optim, name)([{"params": params[:1]}, {"params": params[1:], "lr": 0.01}],
                                              **settings)


def train(name, params, optimizer, steps):
    """The same gradients on either side; the second parameter has none in every third step."""
    for step in steps:
        for n, (p, g) in enumerate(zip(params, draws(name, 100 + step))):
            missing = n == 1 and step % 3 == 0
            p.grad = None if missing else (cnnkit.tensor(g, dtype="float64") if isinstance(p, cnnkit.Tensor)
                                           else p.new_tensor(g))
        optimizer.step()


def numbers(params):
    return [np.array(p.detach().numpy()) for p in params]


def same(mine, reference):
    for a, b in zip(numbers(mine), numbers(reference), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


@pytest.mark.needs("torch")
@every_case
def test_fifty_steps_equal_pytorch(torch, name, settings):
    mine, reference = ours(name, draws(name, 0), settings), theirs(torch, name, draws(name, 0), settings)
    for params, optimizer in mine, reference:
        train(name, params, optimizer, range(STEPS))
    same(mine[0], reference[0])
    states = [optimizer.state_dict()["state"] for _, optimizer in (mine, reference)]
    for n, entry in states[1].items():
        for key, value in entry.items():
            np.testing.assert_allclose(np.asarray(states[0][n][key]), value.numpy(), rtol=1e-9, atol=1e-14,
                                       err_msg=key)


@pytest.mark.needs("torch")
@every_case
def test_a_state_goes_over_and_back_in_the_middle(torch, name, settings):
    params, optimizer = theirs(torch, name, draws(name, 0), settings)
    train(name, params, optimizer, range(7))
    mine = ours(name, numbers(params), {})
    mine[1].load_state_dict(optimizer.state_dict())
    train(name, *mine, range(7, 20))

    state = mine[1].state_dict()
    for entry in state["state"].values():
        for key, value in entry.items():
            if isinstance(value, cnnkit.Tensor):
                entry[key] = torch.tensor(np.array(value.numpy()))
    back = theirs(torch, name, numbers(mine[0]), {})
    back[1].load_state_dict(state)
    train(name, *back, range(20, 30))

    train(name, params, optimizer, range(7, 30))
    same(back[0], params)
    assert {n: set(entry) for n, entry in state["state"].items()} == {
        n: set(entry) for n, entry in optimizer.state_dict()["state"].items()}


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", CASES)
def test_names_order_and_defaults_of_settings_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    mine, reference = ({setting: (p.kind, p.default)
                        for setting, p in inspect.signature(getattr(module, name)).parameters.items()}
                       for module in (optim, torch.optim))
    assert list(mine) == list(reference)
    for setting, (kind, default) in mine.items():
        assert (kind, default) == reference[setting], setting
