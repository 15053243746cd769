"""Lengths, distances and angles: PyTorch's numbers, gradients at zero included, and errors."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F
from cnnkit import nn


def both(name, arrays, **settings):
    torch = pytest.importorskip("torch")
    results = []
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        tensors = [library.tensor(a, requires_grad=True) for a in arrays]
        y = getattr(functional, name)(*tensors, **settings)
        (y ** 2).sum().backward()
        results.append([y.detach().numpy(), *(t.grad.numpy() for t in tensors)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def with_zeros(*shape):
    values = np.random.default_rng(len(shape)).normal(size=shape)
    values[0] = 0
    return values


@pytest.mark.needs("torch")
@pytest.mark.parametrize("p", [0.5, 1, 2, 3.5, float("inf"), -float("inf")])
@pytest.mark.parametrize("dim", [1, (0, 2)])
def test_normalize_equals_pytorch(p, dim):
    values = np.random.default_rng(0).normal(size=(3, 4, 2))
    both("normalize", [values], p=p, dim=dim)


def test_a_vector_of_zeros_has_no_gradient_but_that_of_its_division():
    both("normalize", [with_zeros(3, 4)])
    both("pairwise_distance", [with_zeros(3, 4), with_zeros(3, 4)], eps=0.0)
    both("cosine_similarity", [with_zeros(3, 4), np.ones((3, 4))])


@pytest.mark.parametrize("settings", [{}, {"p": 1}, {"p": 3, "keepdim": True}])
def test_pairwise_distance_equals_pytorch(settings):
    rng = np.random.default_rng(0)
    both("pairwise_distance", [rng.normal(size=(3, 4)), rng.normal(size=(1, 4))], **settings)


@pytest.mark.parametrize(("shapes", "dim"), [
    (((3, 4), (3, 4)), 1), (((2, 1, 5), (4, 5)), 0), (((4,), (4,)), -1)])
def test_cosine_similarity_equals_pytorch(shapes, dim):
    rng = np.random.default_rng(0)
    both("cosine_similarity", [rng.normal(size=shape) for shape in shapes], dim=dim)


def test_bilinear_equals_pytorch():
    rng = np.random.default_rng(0)
    both("bilinear", [rng.normal(size=shape) for shape in ((2, 5, 3), (2, 5, 4), (6, 3, 4), (6,))])


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.bilinear(x, x, x), r"a weight \(K, I, J\)"),
    (lambda x: F.bilinear(x, x, cnnkit.tensor([[[1.0] * 3] * 3]), x), r"bias of shape \(2, 3\); .* \(1,\)"),
    (lambda x: F.cosine_similarity(x, x[:, :2]), "do not broadcast"),
    (lambda x: nn.Bilinear(0, 1, 1), "in1_features must be > 0"),
    (nn.Unflatten(1, (2, 2)), r"provided sizes \(2, 2\) don't multiply up to the size of dim 1"),
])
def test_what_does_not_fit_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call(cnnkit.tensor(np.ones((2, 3), np.float32)))


def test_unflatten_is_the_way_back_from_flatten():
    x = cnnkit.tensor(np.arange(24.0).reshape(2, 3, 4))
    assert nn.Unflatten(1, (3, -1))(nn.Flatten()(x)).tolist() == x.tolist()
    with pytest.raises(TypeError, match="tuple of ints"):
        nn.Unflatten(1, 3)
    with pytest.raises(TypeError, match="axes have no names"):
        nn.Unflatten("C", (3,))
    with pytest.raises(IndexError, match="dim=3"):
        nn.Unflatten(3, (3,))(x)
