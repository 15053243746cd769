"""Pixel and channel shuffling: PyTorch's order, and errors."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F

CASES = [("pixel_shuffle", (2, 3, 12, 2, 3), 2), ("pixel_shuffle", (9, 2, 2), 3),
         ("pixel_unshuffle", (2, 3, 4, 6), 2), ("channel_shuffle", (2, 6, 3, 2), 3)]


@pytest.mark.parametrize(("name", "shape", "factor"), CASES)
def test_the_order_is_pytorchs(name, shape, factor):
    torch = pytest.importorskip("torch")
    values = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    expected = getattr(torch.nn.functional, name)(torch.tensor(values), factor).numpy()
    np.testing.assert_array_equal(getattr(F, name)(cnnkit.tensor(values), factor).numpy(), expected)


@pytest.mark.parametrize(("name", "factor", "message"), [
    ("pixel_shuffle", 2, r"takes \(\.\.\., C 4, H, W\)"), ("pixel_unshuffle", 3, "C, H 3, W 3"),
    ("channel_shuffle", 4, "a multiple of groups=4"), ("pixel_shuffle", 0, "upscale_factor=0")])
def test_what_does_not_fit_raises(name, factor, message):
    with pytest.raises(ValueError, match=message):
        getattr(F, name)(cnnkit.tensor(np.zeros((1, 3, 4, 4), np.float32)), factor)
