"""Max unpooling: PyTorch's numbers, and errors of sizes and indices."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


@pytest.mark.parametrize(("rank", "shape", "output_size"), [
    (1, (2, 3, 7), None), (1, (3, 8), (8,)), (2, (2, 3, 6, 5), (6, 5)), (3, (1, 2, 4, 5, 4), (4, 5, 4))])
def test_it_undoes_max_pooling_as_pytorch_does(rank, shape, output_size):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=shape)
    results = []
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        x = library.tensor(values, requires_grad=True)
        y, indices = getattr(functional, f"max_pool{rank}d")(x, 2, return_indices=True)
        unpooled = getattr(functional, f"max_unpool{rank}d")(y, indices, 2, output_size=output_size)
        (unpooled ** 3).sum().backward()
        results.append((unpooled.detach().numpy(), x.grad.numpy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-12)


@pytest.mark.parametrize(("index", "settings", "error", "message"), [
    ([[[[4]]]], {}, IndexError, "index 4 is out of range"),
    ([[[[1.0]]]], {}, TypeError, "needs indices of int64"),
    ([[[[1, 1]]]], {}, ValueError, r"indices of its shape; got \(1, 1, 1, 1\) and \(1, 1, 1, 2\)"),
    ([[[[1]]]], {"output_size": (5, 2)}, ValueError, r"axis 0 must be between 0 and 4"),
    ([[[[1]]]], {"output_size": (5,)}, ValueError, "sequence containing 2 or 4 elements"),
])
def test_what_does_not_fit_raises(index, settings, error, message):
    with pytest.raises(error, match=message):
        F.max_unpool2d(cnnkit.tensor([[[[1.0]]]]), cnnkit.tensor(index), 2, **settings)
