"""Counters are added to when they are read, and are Tensors like others before and after."""

import copy

import numpy as np
import pytest

import cnnkit
from cnnkit import nn
from cnnkit.autograd.counting import count


@pytest.fixture
def counter(backend):
    return cnnkit.tensor(5, dtype="int64")


READ = {
    "array": lambda c: int(c.array), "item": lambda c: c.item(), "numpy": lambda c: int(c.numpy()),
    "sum": lambda c: (c + 0).item(), "product on the right": lambda c: (1 * c).item(),
    "detach": lambda c: c.detach().item(), "copy": lambda c: copy.deepcopy(c).item(),
    "clone": lambda c: c.clone().item(),
    "text": lambda c: int(repr(c).split("(")[1].split(",")[0].strip(")")),
}


@pytest.mark.parametrize("read", READ)
def test_who_reads_a_counter_sees_all_that_was_counted(counter, read):
    for n in range(1, 4):
        count(counter)
        count(counter, 2)
        assert READ[read](counter) == 5 + 3 * n


def test_shape_dtype_and_version_are_known_before(counter):
    version = counter._version[0]
    before = counter.shape, counter.dtype, counter.backend, counter.is_leaf
    count(counter)
    assert (counter.shape, counter.dtype, counter.backend, counter.is_leaf) == before
    assert counter._version[0] > version
    assert counter._link is not None


@pytest.mark.parametrize("change", [lambda c: c.zero_(), lambda c: c.fill_(0), lambda c: c.copy_(0),
                                    lambda c: c.mul_(0)], ids=["zero_", "fill_", "copy_", "mul_"])
def test_what_is_set_afterwards_counts_from_there(counter, change):
    count(counter)
    change(counter)
    count(counter)
    assert counter.item() == 1


def test_a_layer_counts_its_batches_without_computing_anything(backend):
    layer = nn.BatchNorm2d(2)
    x = cnnkit.tensor(np.ones((2, 2, 3, 3), np.float32))
    for _ in range(3):
        layer(x)
    assert layer.num_batches_tracked._link is not None
    state = layer.state_dict()
    assert state["num_batches_tracked"].item() == 3
    layer.eval()(x)
    assert layer.num_batches_tracked.item() == 3
    other = nn.BatchNorm2d(2)
    other.load_state_dict(state)
    other(x)
    assert other.num_batches_tracked.item() == 4
    assert state["num_batches_tracked"].item() == 3


def test_a_layer_that_averages_all_batches_reads_its_counter(backend):
    layer, means = nn.BatchNorm1d(1, momentum=None), []
    for value in (1.0, 3.0, 8.0):
        layer(cnnkit.tensor(np.array([[value], [value + 1]], np.float32)))
        means.append(float(layer.running_mean.numpy()[0]))
    np.testing.assert_allclose(means, [1.5, 2.5, 4.5], rtol=1e-6)


def test_who_shares_the_memory_sees_every_count(counter):
    count(counter)
    shared = counter.detach()
    count(counter)
    count(counter)
    assert (shared.item(), counter.item()) == (8, 8)
