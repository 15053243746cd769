"""A convolution's kernels on the emulated GPU, with their gradients, beside the generic op in float64."""

import numpy as np

from cnnkit import backends
from cnnkit.ops import OPS

PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
SAME = ((1, 1), (1, 1))
EVERY = (True, True, True)


def as_nhwc(array):
    """The array on the emulator, with its channels last in memory."""
    emulator = backends.get("emulator")
    if array.ndim != 4:
        return emulator.asarray(array)
    return emulator.namespace.permute_dims(
        emulator.asarray(np.ascontiguousarray(array.transpose(0, 2, 3, 1))), (0, 3, 1, 2))


def run_kernel(conv2d, arrays, dy=None, make=as_nhwc, needs=EVERY, **attrs):
    """Output and gradients as the emulator's arrays, and `dy`, which is drawn where it is missing."""
    with backends.use("emulator"):
        y, backward = conv2d(*map(make, arrays), needs=needs, **{**PLAIN, **attrs})
        dy = np.random.default_rng(1).standard_normal(y.shape).astype(arrays[0].dtype) if dy is None else dy
        return [y, *(backward(make(dy)) if backward else ())], dy


def generic(arrays, dy, **attrs):
    """The same from the generic op in float64."""
    with backends.tables():
        y, backward = OPS["conv"].generic(*(a.astype(np.float64) for a in arrays),
                                          needs=EVERY, **{**PLAIN, **attrs})
        return [y, *backward(dy.astype(np.float64))]


def bits(arrays):
    return [backends.get("emulator").to_numpy(a).tobytes() for a in arrays]
