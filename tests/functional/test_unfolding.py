"""Windows as columns and back: PyTorch's order, gradients, and errors that count."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F

WINDOWS = [{"kernel_size": 2},
           {"kernel_size": (3, 2), "dilation": (1, 2), "padding": (1, 0), "stride": (2, 1)}]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (3, 5, 6)])
def test_values_and_gradients_equal_pytorch(shape, window):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=shape)
    results = []
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        x = library.tensor(values, requires_grad=True)
        columns = functional.unfold(x, **window)
        y = functional.fold(columns ** 2, (5, 6), **window)
        (y * y).sum().backward()
        results.append([v.detach().numpy() for v in (columns, y, x.grad)])
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.unfold(cnnkit.tensor([1.0]), 2), r"images with 4 axes, or 3 of one; got shape \(1,\)"),
    (lambda: F.unfold(cnnkit.tensor([[[1.0]]]), 2), "kernel is larger than the padded input"),
    (lambda: F.fold(cnnkit.tensor([[1.0]]), 2, 2), r"columns \(N, C 4, L\)"),
    (lambda: F.fold(cnnkit.tensor([[1.0]] * 4), 3, 2), "that is 1 windows; images of .* have 4"),
])
def test_what_does_not_fit_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()
