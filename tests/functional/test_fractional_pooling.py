"""Fractional max pooling: PyTorch's windows for given draws, other windows for others, and errors."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


@pytest.mark.parametrize(("rank", "shape", "kernel", "size"), [
    (2, (2, 3, 9, 7), 2, (5, 4)), (2, (3, 9, 7), (3, 2), (4, 6)), (3, (2, 2, 6, 7, 5), 2, (3, 4, 1))])
def test_windows_are_pytorchs_for_its_draws(rank, shape, kernel, size):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    values, draws = rng.normal(size=shape), rng.random((*((1, *shape)[-rank - 2:][:2]), rank))
    results = []
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        x = library.tensor(values, requires_grad=True)
        y, indices = getattr(functional, f"fractional_max_pool{rank}d")(
            x, kernel, size, return_indices=True, _random_samples=library.tensor(draws))
        (y ** 2).sum().backward()
        results.append((y.detach().numpy(), indices.numpy(), x.grad.numpy()))
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_the_seed_decides_the_windows():
    x = cnnkit.tensor(np.random.default_rng(0).normal(size=(1, 2, 30, 30)).astype(np.float32))
    results = []
    for seed in (0, 0, 1):
        cnnkit.random.seed(seed)
        results.append(F.fractional_max_pool2d(x, 2, output_ratio=0.7).tolist())
    assert results[0] == results[1] != results[2]


def test_what_does_not_fit_raises():
    x = cnnkit.tensor(np.zeros((1, 1, 4, 4), np.float32))
    with pytest.raises(ValueError, match="either an output_size or an output_ratio"):
        F.fractional_max_pool2d(x, 2)
    with pytest.raises(ValueError, match="4 windows of 2 need at least 5 pixels"):
        F.fractional_max_pool2d(x, 2, 4)
    with pytest.raises(ValueError, match=r"between 0 and 1 \(got 2\)"):
        cnnkit.nn.FractionalMaxPool2d(2, output_ratio=2)
