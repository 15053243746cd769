"""Convolutions that run on tensor cores, for the tests of ``conv_tensor.py``."""

import functools

import numpy as np
import pytest
from cnnkit_cupy import conv_tensor
from emulated_convolution import SAME, run_kernel

TILED = {  # more than a tile and a rest each way, for the largest tile
    "windows": ((1, 16, 12, 14), (136, 16, 3, 2), {"padding": ((1, 0), (2, 1))}),
    "8-channels": ((1, 8, 12, 14), (40, 8, 3, 3), {"padding": SAME}),
    "pointwise": ((3, 136, 7, 7), (72, 136, 1, 1), {}),
    "groups-strided": ((2, 32, 15, 13), (48, 16, 3, 3),
                       {"groups": 2, "stride": (2, 1), "padding": SAME, "dilation": (1, 2)}),
    "phases-with-a-common-divisor": ((1, 16, 13, 12), (16, 16, 3, 4), {
        "stride": (2, 4), "dilation": (4, 2), "padding": ((1, 2), (0, 3))}),
    "larger-than-the-image": ((1, 16, 3, 2), (16, 16, 2, 2), {
        "stride": (7, 5), "padding": ((2, 1), (1, 3))}),
}


def random_arrays(x, weight, dtype="float16", seed=0):
    kind = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(kind) for shape in (x, weight, weight[:1])]


run = functools.partial(run_kernel, conv_tensor.conv2d)
