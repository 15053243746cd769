"""Power-average pooling beside PyTorch's, gradients included."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("norm_type", "settings"), [
    (2, {}), (3.5, {"stride": 1}), (1, {"ceil_mode": True}), (float("inf"), {}), (-float("inf"), {})])
@pytest.mark.parametrize(("rank", "shape"), [(1, (2, 3, 7)), (2, (2, 3, 5, 7)), (2, (3, 5, 4)),
                                             (3, (1, 2, 4, 3, 5))])
def test_values_and_gradients_equal_pytorch(rank, shape, norm_type, settings):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).uniform(0.5, 2, size=shape)
    x, t = cnnkit.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y = getattr(F, f"lp_pool{rank}d")(x, norm_type, 2, **settings)
    expected = getattr(torch.nn.functional, f"lp_pool{rank}d")(t, norm_type, 2, **settings)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-12)
    (y * y).sum().backward(), (expected * expected).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-11)
