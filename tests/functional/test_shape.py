"""Joining, padding and selecting: PyTorch's argument order, values and gradients."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def compare(ours, theirs, arrays):
    import torch
    xs, ts = ([cnnkit.tensor(a, requires_grad=True) for a in arrays],
              [torch.tensor(a, requires_grad=True) for a in arrays])
    y, expected = ours(*xs), theirs(*ts)
    np.testing.assert_array_equal(y.numpy(), expected.detach().numpy())
    (y * y).sum().backward()
    (expected * expected).sum().backward()
    for x, t in zip(xs, ts):
        np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cat_and_stack_equal_pytorch(torch, rng, dim):
    arrays = [rng.normal(size=(2, 3)) for _ in range(3)]
    compare(lambda *x: F.cat(x, dim), lambda *t: torch.cat(t, dim), arrays)
    compare(lambda *x: F.stack(x, dim), lambda *t: torch.stack(t, dim), arrays)
    compare(lambda *x: F.cat(x, 1), lambda *t: torch.cat(t, 1), [rng.normal(size=(2, n)) for n in (1, 0, 4)])


def test_flatten_starts_at_axis_0_as_pytorchs_function(torch, rng):
    compare(F.flatten, torch.flatten, [rng.normal(size=(2, 3, 4))])
    compare(lambda x: F.flatten(x, 1, 2), lambda t: torch.flatten(t, 1, 2), [rng.normal(size=(2, 3, 4, 5))])


def test_where_equals_pytorch(torch, rng):
    mask = rng.random((2, 3)) < 0.5
    compare(lambda x, y: F.where(cnnkit.tensor(mask), x, y), lambda x,
            y: torch.where(torch.tensor(mask), x, y), [rng.normal(size=(2, 3)), rng.normal(size=(1, 3))])


def test_one_hot_is_ones_at_the_classes():
    assert F.one_hot(cnnkit.tensor([[1], [0]]), 3).tolist() == [[[0, 1, 0]], [[1, 0, 0]]]
    assert F.one_hot(cnnkit.tensor([1, 3])).shape == (2, 4)
    assert F.one_hot(cnnkit.tensor(np.array([200], np.uint8))).dtype == np.int64
    assert F.one_hot(cnnkit.tensor([], dtype="int64"), 3).shape == (0, 3)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda x: F.cat([]), ValueError, "cat needs at least one Tensor"),
    (lambda x: F.cat([x, x.unsqueeze(0)]), ValueError, r"cat along axis 0 got shapes \(2, 3\), \(1, 2, 3\)"),
    (lambda x: F.cat([x, x.T], 0), ValueError, "all other axes must agree"),
    (lambda x: F.cat([x], 2), IndexError, "cat got axis 2 for a Tensor with 2 axes"),
    (lambda x: F.stack([x, x.T]), ValueError, r"stack needs Tensors of one shape; got \(2, 3\), \(3, 2\)"),
    (lambda x: F.stack([]), ValueError, "stack needs at least one Tensor"),
    (F.one_hot, TypeError, "one_hot needs integer class indices; got float32"),
    (lambda x: F.one_hot(cnnkit.tensor([], dtype="int64")), ValueError, "needs num_classes"),
    (lambda x: F.one_hot(cnnkit.tensor([0, 3]), 3), IndexError, "class index 3; of 3 classes .* 0 to 2"),
    (lambda x: F.one_hot(cnnkit.tensor([-1, 3])), IndexError, "the class index -1; of 4 classes"),
])
def test_what_is_wrong_raises(call, error, message):
    with pytest.raises(error, match=message):
        call(cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
