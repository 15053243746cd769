"""LBFGS: PyTorch's steps with and without a line search, its state over and back, and its errors."""

import copy

import numpy as np
import pytest

import cnnkit
from cnnkit import optim
from cnnkit.optim.line_search import Trial, strong_wolfe

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 2))
START = [RNG.normal(size=(3, 2)), RNG.normal(size=2)]
SEARCH = {"line_search_fn": "strong_wolfe"}
SETTINGS = [{}, {"lr": 0.3, "history_size": 3}, {"lr": 0.1, "max_iter": 4, "max_eval": 3}, SEARCH,
            {**SEARCH, "lr": 20.0, "history_size": 2}, {**SEARCH, "lr": 1e-4, "max_iter": 7},
            {**SEARCH, "tolerance_grad": 0.5}, {**SEARCH, "tolerance_change": 1e-2}]


def regression(library, params):
    """Quartic, so that it takes many steps; and wavy, so that line searches have something to search."""
    x, y = library.tensor(X), library.tensor(Y)
    residual = (x @ params[0]).tanh() * 2 + params[1] - y
    return (residual ** 4).mean() + (params[0] * 3).sin().sum() * 0.1


def started(library, settings, start=START):
    params = [library.tensor(values.copy(), requires_grad=True) for values in start]
    optimizer = library.optim.LBFGS(params, **settings)

    def closure():
        closure.calls += 1
        optimizer.zero_grad()
        loss = regression(library, params)
        loss.backward()
        return loss
    closure.calls = 0
    return params, optimizer, closure


def same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-7, atol=1e-9)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_steps_are_pytorchs(settings):
    torch = pytest.importorskip("torch")
    p, ours, closure = started(cnnkit, settings)
    q, theirs, their_closure = started(torch, settings)
    for step in range(6):  # each of up to 20 directions
        assert abs(ours.step(closure).item() - theirs.step(their_closure).item()) < 1e-8
        if step < 2:  # later, at the minimum, the last bits decide how much is searched
            assert closure.calls == their_closure.calls
        same(p, q)
    states = [optimizer.state_dict()["state"][0] for optimizer in (ours, theirs)]
    assert states[0].keys() >= states[1].keys() - {"al"}


def test_a_state_goes_over_from_pytorch_and_back():
    torch = pytest.importorskip("torch")
    q, theirs, their_closure = started(torch, SEARCH)
    for _ in range(2):
        theirs.step(their_closure)
    p, ours, closure = started(cnnkit, SEARCH, [value.detach().numpy() for value in q])
    ours.load_state_dict(theirs.state_dict())
    for _ in range(2):
        ours.step(closure)
        theirs.step(their_closure)
        same(p, q)
    again = started(cnnkit, SEARCH, [value.numpy() for value in p])
    again[1].load_state_dict(copy.deepcopy(ours.state_dict()))
    again[1].step(again[2])
    ours.step(closure)
    same(again[0], p)


def test_it_finds_a_minimum_on_every_backend(backend):
    p = cnnkit.tensor([3.0, -2.0], requires_grad=True)
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((p - cnnkit.tensor([1.0, 2.0])) ** 2).sum()
        loss.backward()
        return loss
    optimizer.step(closure)
    np.testing.assert_allclose(p.numpy(), [1.0, 2.0], atol=1e-3)


def test_parameters_without_a_gradient_stay():
    p, q = (cnnkit.tensor([1.0], requires_grad=True) for _ in range(2))
    optimizer = optim.LBFGS([p, q])

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss
    optimizer.step(closure)
    assert abs(p.item()) < 1e-3
    assert q.tolist() == [1.0]


def test_a_search_gives_up_at_a_bracket_that_moves_nothing():
    def evaluate(step):  # it falls nowhere, whatever its slope says
        return Trial(step, 1.0 + step, -1.0, None)
    trial, count = strong_wolfe(evaluate, evaluate(0.0), 1.0, 1.0, 1e-3, most=25)
    assert trial.step == 0.0
    assert count < 26


def test_what_it_cannot_do_is_said():
    p, q = (cnnkit.tensor([1.0], requires_grad=True) for _ in range(2))
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [p]}, {"params": [q]}])
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        optim.LBFGS([p], line_search_fn="armijo")
    with pytest.raises(ValueError, match="learning rate"):
        optim.LBFGS([p], lr=-1.0)
    with pytest.raises(TypeError, match="needs a closure"):
        optim.LBFGS([p]).step()
