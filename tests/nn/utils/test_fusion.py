"""A fused convolution does what the convolution and the batch norm after it did."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn


@pytest.mark.parametrize(("conv", "transpose"), [(nn.Conv2d(2, 3, 3, bias=False), False),
                                                 (nn.ConvTranspose2d(2, 3, 3), True)])
def test_the_result_is_the_same(conv, transpose):
    norm = nn.BatchNorm2d(3)
    norm.running_mean.copy_(cnnkit.tensor([1.0, -1.0, 0.5]))
    norm.running_var.copy_(cnnkit.tensor([1.0, 4.0, 0.5]))
    norm.weight.detach().copy_(cnnkit.tensor([2.0, 1.0, -1.0]))
    norm.bias.detach().copy_(cnnkit.tensor([0.1, 0.2, 0.3]))
    both = nn.Sequential(conv, norm).double().eval()
    fused = nn.utils.fuse_conv_bn_eval(both[0], both[1], transpose)
    x = cnnkit.randn(2, 2, 6, 6, dtype="float64")
    np.testing.assert_allclose(fused(x).detach().numpy(), both(x).detach().numpy(), rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="eval"):
        nn.utils.fuse_conv_bn_eval(both[0].train(), both[1])
