"""What families share: numbers of channels, and blocks."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn
from cnnkit.models import blocks


@pytest.mark.parametrize(("channels", "divisible"), [(24, 24), (25, 24), (11, 16), (1, 8), (90, 88)])
def test_channels_are_rounded_to_a_multiple_of_8_and_never_by_more_than_a_tenth_down(channels, divisible):
    assert blocks.make_divisible(channels) == divisible


@pytest.mark.parametrize("width_mult", [0, -1.0, float("nan")])
def test_a_width_that_is_not_positive_is_refused(width_mult):
    with pytest.raises(ValueError, match="width_mult must be positive"):
        blocks.scaled(64, width_mult)


def test_a_convolution_has_a_bias_where_no_norm_follows():
    assert blocks.Conv2dNormActivation(2, 4)[0].bias is None
    plain = blocks.Conv2dNormActivation(2, 4, norm_layer=None, activation_layer=None)
    assert (len(plain), plain[0].bias.shape) == (1, (4,))


def test_padding_keeps_the_size_of_a_dilated_convolution():
    convolution = blocks.Conv2dNormActivation(1, 1, kernel_size=5, dilation=2)
    assert convolution(cnnkit.zeros((2, 1, 11, 12))).shape == (2, 1, 11, 12)


def test_squeeze_and_excitation_weighs_channels():
    block = blocks.SqueezeExcitation(2, 1)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = np.ones((1, 2, 3, 3), "float32")
    np.testing.assert_allclose(block(cnnkit.tensor(x)).numpy(), x / 2)  # sigmoid(0)


def test_layer_norm_of_maps_is_over_the_channels_of_each_pixel():
    x = np.random.default_rng(0).normal(size=(2, 5, 3, 4)).astype("float32")
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    actual = blocks.LayerNorm2d(5)(cnnkit.tensor(x)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
