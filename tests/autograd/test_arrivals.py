"""Gradients that arrive while backward goes on."""

from __future__ import annotations

import numpy as np

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, random
from cnnkit.autograd.arrivals import Arrivals


def test_each_leaf_is_told_once_and_has_its_whole_gradient_then():
    random.seed(0)
    first, last = nn.Linear(4, 4), nn.Linear(4, 3)
    parameters = [*first.parameters(), *last.parameters()]
    x, y = cnnkit.tensor(np.ones((5, 4), np.float32)), cnnkit.tensor(np.arange(5) % 3)

    def loss():
        return F.cross_entropy(last(F.relu(first(first(x)))), y)  # the first layer is used twice
    loss().backward()
    expected = [parameter.grad.numpy() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None
    told, seen = [], []

    def tell(n):
        told.append(n)
        seen.append((parameters[n].grad.numpy(), first.weight.grad is None))
    value = loss()
    with Arrivals([value], parameters, tell):
        value.backward()
    assert sorted(told) == [0, 1, 2, 3]
    assert set(told[:2]) == {2, 3}
    assert seen[0][1]  # the first layer's gradient was not there yet
    for n, (gradient, _) in zip(told, seen):
        assert gradient.tobytes() == expected[n].tobytes() == parameters[n].grad.numpy().tobytes()


def test_what_a_leaf_gets_later_is_added():
    weight = cnnkit.ones(2, requires_grad=True)
    decay = (weight * weight).sum()  # made before, so its turn comes later
    output = weight * 3
    with Arrivals([output], [weight], lambda n: None):
        (output.sum() + decay).backward()
    assert weight.grad.tolist() == [5.0, 5.0]


def test_hooks_change_what_arrives_and_frozen_leaves_are_not_told():
    weight, frozen = cnnkit.ones(1, requires_grad=True), cnnkit.ones(1)
    weight.register_hook(lambda gradient: gradient * 10)
    told = []
    loss = (weight * frozen).sum()
    with Arrivals([loss], [weight, frozen], told.append):
        loss.backward()
    assert told == [0]
    assert weight.grad.tolist() == [10.0]
