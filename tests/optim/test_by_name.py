"""Optimizers by name: each trains a network of layers of every kind."""

import numpy as np
import pytest

from cnnkit import nn, random, train
from cnnkit.optim.by_name import BY_NAME


@pytest.mark.parametrize("name", BY_NAME)
def test_every_one_trains_a_network_by_its_name(name):
    random.seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    before = [p.numpy().copy() for p in net.parameters()]
    images = np.random.default_rng(0).normal(size=(8, 1, 6, 6)).astype(np.float32)
    train.fit(net, (images, np.arange(8) % 2), optimizer=name, lr=0.01, weight_decay=0.1, epochs=1,
              progress=False, seed=0)
    assert all(np.isfinite(p.numpy()).all() for p in net.parameters())
    assert any((a != p.numpy()).any() for a, p in zip(before, net.parameters()))
