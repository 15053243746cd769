"""Sampling at any places: PyTorch's numbers and gradients in every mode, and errors."""

import itertools

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F

MODES, PADDING = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def both(function, *arrays):
    """The results and gradients of a function, in both libraries."""
    torch = pytest.importorskip("torch")
    results = []
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        tensors = [library.tensor(a, requires_grad=True) for a in arrays]
        y = function(functional, *tensors)
        (y ** 2).sum().backward()
        gradients = [np.zeros(a.shape) if t.grad is None else t.grad.numpy() for t, a in zip(tensors, arrays)]
        results.append([y.detach().numpy(), *gradients])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("mode", "padding_mode", "align_corners"),
                         [*itertools.product(MODES, PADDING, (True, False))])
def test_images_are_sampled_as_in_pytorch(mode, padding_mode, align_corners):
    rng = np.random.default_rng(0)
    both(lambda functional, x, grid: functional.grid_sample(x, grid, mode, padding_mode, align_corners),
         rng.normal(size=(2, 3, 5, 4)), rng.uniform(-2.7, 2.7, size=(2, 6, 5, 2)))


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("mode", "padding_mode", "align_corners"),
                         [*itertools.product(MODES[:2], PADDING, (True, False))])
def test_volumes_are_sampled_as_in_pytorch(mode, padding_mode, align_corners):
    rng = np.random.default_rng(0)
    both(lambda functional, x, grid: functional.grid_sample(x, grid, mode, padding_mode, align_corners),
         rng.normal(size=(2, 2, 3, 4, 2)), rng.uniform(-1.6, 1.6, size=(2, 2, 3, 4, 3)))


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 2, 3), (1, 2, 3, 2, 4)])
def test_affine_grids_equal_pytorch(size, align_corners):
    rank = len(size) - 2
    theta = np.random.default_rng(0).normal(size=(size[0], rank, rank + 1))
    both(lambda functional, theta: functional.affine_grid(theta, size, align_corners), theta)


def test_what_lies_beyond_counts_as_zero_beside_an_infinite_pixel():
    image = cnnkit.tensor([[[[np.inf, 1.0]]]], requires_grad=True)
    grid = cnnkit.tensor([[[[5.0, 0.0], [1.5, 0.0]]]], requires_grad=True)
    y = F.grid_sample(image, grid, align_corners=True)
    assert y.tolist() == [[[[0.0, 0.75]]]]
    y.sum().backward()
    assert np.isfinite(grid.grad.numpy()).all()


def test_the_default_of_align_corners_is_warned_of():
    x, grid = (cnnkit.tensor(np.zeros(shape, np.float32)) for shape in ((1, 1, 2, 2), (1, 1, 1, 2)))
    with pytest.warns(UserWarning, match="align_corners=False by default"):
        F.grid_sample(x, grid)


@pytest.mark.parametrize(("shape", "places", "settings", "error", "message"), [
    ((1, 1, 2, 2), (2, 1, 1, 2), {}, ValueError, r"grid \(N, P, Q, 2\)"),
    ((1, 1, 2, 2), (1, 1, 1, 3), {}, ValueError, r"got \(1, 1, 2, 2\) and \(1, 1, 1, 3\)"),
    ((1, 1, 2, 2), (1, 1, 1, 2), {"mode": "area"}, ValueError, "got mode='area'"),
    ((1, 1, 2, 2, 2), (1, 1, 1, 1, 3), {"mode": "bicubic"}, ValueError, "bicubic' takes images"),
    ((1, 1, 0, 2), (1, 1, 1, 2), {}, ValueError, "images with pixels"),
])
def test_what_does_not_fit_raises(shape, places, settings, error, message):
    x, grid = (cnnkit.tensor(np.zeros(s, np.float32)) for s in (shape, places))
    with pytest.raises(error, match=message):
        F.grid_sample(x, grid, **settings, align_corners=False)


def test_dtypes_and_sizes_are_checked():
    x = cnnkit.tensor(np.zeros((1, 1, 2, 2), np.float32))
    with pytest.raises(TypeError, match="input and grid are float32 and float64"):
        F.grid_sample(x, cnnkit.tensor(np.zeros((1, 1, 1, 2))), align_corners=False)
    with pytest.raises(ValueError, match=r"got theta of shape \(1, 1, 2, 2\)"):
        F.affine_grid(x, (1, 1, 2, 2))
    with pytest.raises(ValueError, match="at least 1"):
        F.affine_grid(cnnkit.tensor(np.zeros((1, 2, 3), np.float32)), (1, 1, 0, 2))
