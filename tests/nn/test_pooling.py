"""The pooling layers: their text, and that they pass their settings on."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("layer", "arguments"), [
    ("MaxPool2d", {"kernel_size": 2}),
    ("MaxPool2d", {"kernel_size": (3, 2), "stride": 1, "padding": 1, "dilation": 2, "ceil_mode": True}),
    ("AvgPool2d", {"kernel_size": 2}),
    ("AvgPool2d",
     {"kernel_size": 3, "stride": (2, 1), "padding": 1, "ceil_mode": True, "count_include_pad": False}),
    ("AvgPool2d", {"kernel_size": 2, "divisor_override": 3}),
    ("AdaptiveAvgPool2d", {"output_size": 1}),
    ("AdaptiveAvgPool2d", {"output_size": (None, 3)}),
    ("AdaptiveMaxPool2d", {"output_size": (2, 3)}),
])
def test_looks_and_computes_like_pytorchs(layer, arguments):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, layer)(**arguments), getattr(torch.nn, layer)(**arguments)
    assert repr(ours) == repr(theirs)
    x = np.random.default_rng(0).normal(size=(2, 3, 8, 9))
    np.testing.assert_allclose(ours(cnnkit.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-9)


@pytest.mark.parametrize("layer",
                         [nn.MaxPool2d(2, return_indices=True), nn.AdaptiveMaxPool2d(1, return_indices=True)])
def test_max_layers_can_return_indices(layer):
    _, indices = layer(cnnkit.tensor([[[[1.0, 3.0], [2.0, 0.0]]]]))
    assert indices.numpy().tolist() == [[[[1]]]]
