"""Padding: PyTorch's argument order, values and gradients, and errors."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F

MODES = ["reflect", "replicate", "circular"]


def compare(shape, pad, **settings):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=shape)
    x, t = cnnkit.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y, expected = F.pad(x, pad, **settings), torch.nn.functional.pad(t, pad, **settings)
    np.testing.assert_array_equal(y.numpy(), expected.detach().numpy())
    (y * y).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("pad", [(1, 2), (1, 2, 3, 4), (0, 1, 2, 0, 3, 1), (-1, 2, 1, -2), ()])
def test_the_last_axis_comes_first_as_in_pytorch(pad):
    compare((2, 3, 4), pad, value=1.5)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("shape", "pad"), [
    ((2, 3, 5), (2, 1)), ((3, 5), (0, 4)), ((2, 2, 4, 5), (1, 3, 2, 0)),
    ((1, 2, 3, 4, 3), (2, 1, 0, 3, 1, 1)), ((2, 3, 5), (-1, 2)), ((2, 3, 5, 4), (2, -2, -1, -1))])
def test_every_mode_equals_pytorch(mode, shape, pad):
    compare(shape, pad, mode=mode)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: F.pad(x, (1,)), "a pair of amounts"),
    (lambda x: F.pad(x, (1,) * 6), "a pair of amounts"),
    (lambda x: F.pad(x, (-2, -2)), r"takes more than axis 1 of shape \(2, 3\) has"),
    (lambda x: F.pad(x, (-2, -2), "reflect"), r"does not fit axis 1 of shape \(2, 3\): it has 3 elements"),
    (lambda x: F.pad(x, (3, 0), "reflect"), r"needs more than 3 elements along axis 1; shape \(2, 3\) has 3"),
    (lambda x: F.pad(x, (4, 0), "circular"), "more than once. Pad at most 3"),
    (lambda x: F.pad(x, (1, 1), "mirror"), "the modes constant, reflect, replicate, circular; got 'mirror'"),
    (lambda x: F.pad(x, (1, 1), "reflect", 1.0), r"leave out value=1\.0"),
])
def test_what_is_wrong_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call(cnnkit.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
