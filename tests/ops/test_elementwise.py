"""Elementwise arithmetic: what gradients look like beside an operand of another dtype."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F


@pytest.mark.parametrize("op", ["__sub__", "__mul__", "__matmul__"])
def test_a_gradient_has_its_inputs_dtype_beside_a_wider_operand(op):
    rng = np.random.default_rng(0)
    x = cnnkit.tensor(rng.standard_normal((8, 5), dtype=np.float32))
    w = cnnkit.tensor(rng.standard_normal((8, 5), dtype=np.float32), requires_grad=True)
    t = cnnkit.tensor(rng.standard_normal((5, 5) if op == "__matmul__" else (8, 5)))
    getattr(F.relu(w + x), op)(t).sum().backward()
    assert str(w.grad.dtype) == "float32"
    w64 = cnnkit.tensor(w.detach().numpy().astype(np.float64), requires_grad=True)
    getattr(F.relu(w64 + cnnkit.tensor(x.numpy().astype(np.float64))), op)(t).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), w64.grad.numpy(), rtol=1e-5, atol=1e-6)
