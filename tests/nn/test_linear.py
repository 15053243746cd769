"""The dense layer: PyTorch's numbers from PyTorch's weights, its initial range, helpful errors."""

import math

import numpy as np
import pytest

import cnnkit
from cnnkit import nn


def test_equals_pytorch_with_its_weights():
    torch = pytest.importorskip("torch")
    theirs, ours = torch.nn.Linear(5, 3), nn.Linear(5, 3)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_allclose(ours(cnnkit.tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(),
                               rtol=1e-5, atol=1e-6)
    assert repr(ours) == repr(theirs)


def test_initial_weights_fill_pytorchs_range():
    layer = nn.Linear(100, 500)
    bound = 1 / math.sqrt(100)
    for values in layer.weight.numpy(), layer.bias.numpy():
        assert abs(values).max() <= bound
        assert abs(values).max() > 0.99 * bound
    assert abs(layer.weight.numpy().mean()) < 4 * bound / math.sqrt(3 * 50000)
    assert layer.weight.numpy().std() == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_initial_weights_are_bit_equal_on_every_backend_after_the_same_seed():
    seen = set()
    for backend in "numpy", "array-api-strict", "torch", "jax":
        try:
            cnnkit.backends.get(backend)
        except cnnkit.backends.Unavailable:
            continue
        cnnkit.random.seed(1)
        layer = nn.Linear(6, 4, backend=backend)
        assert layer.weight.backend == layer.bias.backend == backend
        seen.add((layer.weight.numpy().tobytes(), layer.bias.numpy().tobytes()))
    assert len(seen) == 1


def test_without_a_bias():
    layer = nn.Linear(2, 3, bias=False)
    assert layer.bias is None
    assert [n for n, _ in layer.named_parameters()] == ["weight"]
    assert repr(layer) == "Linear(in_features=2, out_features=3, bias=False)"


def test_dtype_is_the_parameters():
    assert nn.Linear(2, 3, dtype="float64").weight.dtype == np.float64


@pytest.mark.parametrize(("shape", "advice"), [
    ((8, 4), r"4 features in the last axis\. Make the layer with in_features=4"),
    ((8, 3, 2, 2), r"Flatten first: nn\.Flatten\(\) before it, or x\.flatten\(1\)"),
    ((8, 5, 3, 4), r"Flatten first: nn\.Flatten\(start_dim=2\)"),
    ((8, 3, 5, 5), r"Flatten first, and make the layer with in_features=75, the product of 3 \* 5 \* 5"),
    ((), "at least one axis"),
])
def test_an_input_that_does_not_fit_raises_naming_the_layer_and_the_fix(shape, advice):
    with pytest.raises(ValueError, match=r"Linear\(in_features=12\) got an input of shape .*" + advice):
        nn.Linear(12, 2)(cnnkit.tensor(np.zeros(shape, np.float32)))


def test_another_dtype_raises_naming_the_fix():
    with pytest.raises(TypeError, match=r"float64, float32, float32\. Convert the input"):
        nn.Linear(2, 3)(cnnkit.tensor(np.zeros((1, 2))))


def test_negative_sizes_raise():
    with pytest.raises(ValueError, match="in_features=-1"):
        nn.Linear(-1, 2)


def test_identity_takes_any_arguments_and_returns_its_input():
    x = cnnkit.tensor([1.0])
    assert nn.Identity(54, unused=True)(x) is x
