"""Group, layer, RMS and local response norm: PyTorch's numbers, state, and errors that name the fix."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn

LAYERS = {
    "groups": ("GroupNorm", (2, 4), (3, 4, 5)), "no-shift": ("GroupNorm", (4, 4), (2, 4, 3, 3)),
    "layer": ("LayerNorm", ((4, 3),), (2, 5, 4, 3)), "rms": ("RMSNorm", (3,), (2, 4, 3)),
    "local": ("LocalResponseNorm", (3, 0.5, 0.75, 2.0), (2, 5, 3, 4)),
}
OPTIONS = {"no-shift": {"bias": False}}


@pytest.mark.parametrize("case", LAYERS)
def test_values_and_gradients_equal_pytorch(case):
    torch = pytest.importorskip("torch")
    name, arguments, shape = LAYERS[case]
    theirs = getattr(torch.nn, name)(*arguments, **OPTIONS.get(case, {})).double()
    ours = getattr(nn, name)(*arguments, **OPTIONS.get(case, {})).double()
    rng = np.random.default_rng(0)
    state = {key: rng.normal(size=tuple(value.shape)) for key, value in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    theirs.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
    ours.load_state_dict(state)
    values = rng.normal(2, 3, shape)
    x, t = cnnkit.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    y, expected = ours(x), theirs(t)
    np.testing.assert_allclose(y.numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    (y ** 3).sum().backward(), (expected ** 3).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-8, atol=1e-11)
    for own, other in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(own.grad.numpy(), other.grad.numpy(), rtol=1e-8)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: nn.GroupNorm(3, 4), r"num_channels \(4\) must be divisible by num_groups \(3\)"),
    (lambda: nn.GroupNorm(2, 4)(image(1, 6, 2)), r"6 channels in axis 1\. .* with num_channels=6"),
    (lambda: nn.GroupNorm(4, 4, affine=False)(image(2, 6, 2)), "num_groups=4, which must divide"),
    (lambda: nn.GroupNorm(1, 1)(image(1, 1)), "more than 1 value per channel"),
    (lambda: nn.LayerNorm((2, 3))(image(3, 2)), r"expected an input with shape \[\*, 2, 3\]"),
    (lambda: nn.LocalResponseNorm(2)(image(3, 2)), "3D or higher"),
])
def test_what_does_not_fit_raises(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def image(*shape):
    return cnnkit.tensor(np.zeros(shape, np.float32))
