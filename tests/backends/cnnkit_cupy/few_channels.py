"""Convolutions on the emulator beside float64: for the tests of this folder."""

import numpy as np
import pytest
from chains import chain

from cnnkit import backends
from cnnkit.backends.kernel import ask
from cnnkit.ops import OPS

HERE = next(row for row in backends.list() if row.name == "emulator")
needs_emulator = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
CONV = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
SAME = {**CONV, "padding": ((1, 1), (1, 1))}
POOL = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1), "ceil_mode": False}
NAMES = ("y", "dx", "dweight", "dbias")


def eighths(rng, shape, dtype=np.float32):
    """Multiples of 1/8, whose sums are exact: neither ties nor signs hang on rounding."""
    return (rng.integers(-4, 5, shape) / 8).astype(dtype)


def on_emulator(key, arrays, attrs, dy=None, view=None, needs=(True, True, True)):
    """Outputs and gradients of a table's kernel, on the emulator, or None where it declines; dy: or ones."""
    emulator = backends.get("emulator")
    needs = (*needs[:2], needs[2] and arrays[2] is not None)
    on_device = [None if a is None else (view or emulator.asarray)(a) for a in arrays]
    with backends.use("emulator"):
        tables, calls = emulator.resolve(), chain(key, attrs)
        if len(key) == 1:
            result = tables.ask(key[0], on_device, {"needs": needs, **attrs[0]})
        else:
            kernels = tables.of_chain([call.op for call in calls])
            result = ask(kernels, on_device, {"needs": needs, "calls": calls})
        if result is NotImplemented:
            return None
        y, backward = result
        dy = np.ones(y.shape, arrays[0].dtype) if dy is None else dy
        return [y, *(backward((view or emulator.asarray)(dy)) if backward else ())]


def in_float64(key, arrays, attrs, dy=None, needs=(True, True, True)):
    """The same by the generic ops in float64, with the convolution rounded to the arrays' dtype."""
    needs = (*needs[:2], needs[2] and arrays[2] is not None)
    y, backward = OPS["conv"].generic(*(None if a is None else a.astype(np.float64) for a in arrays),
                                      needs=needs, **attrs[0])
    backward_functions = [backward]
    with np.errstate(over="ignore"):
        y = y.astype(arrays[0].dtype).astype(np.float64)
    for op, attributes in zip(key[1:], attrs[1:]):
        y, backward = OPS[op].generic(y, needs=(True,), **attributes)
        backward_functions.append(backward)
    gradient = np.ones(y.shape) if dy is None else dy.astype(np.float64)
    for backward in reversed(backward_functions[1:]):
        gradient, = backward(gradient)
    return [y, *backward_functions[0](gradient)]


def compare(got, expected, tolerance, label=""):
    for name, actual, exact in zip(NAMES, got, expected, strict=True):
        if exact is None:
            assert actual is None, name
            continue
        actual = backends.get("emulator").to_numpy(actual).astype(np.float64)
        size = (1 if name == "y" or not exact.size
                else max(1, np.nanmax(np.abs(np.where(np.isfinite(exact), exact, 0)))))
        np.testing.assert_allclose(actual, exact, rtol=tolerance, atol=tolerance * size,
                                   err_msg=f"{name} of {label}")


def as_bytes(arrays):
    """The arrays' exact contents."""
    return [backends.get("emulator").to_numpy(a).tobytes() for a in arrays]


def channels_last(array):
    emulator = backends.get("emulator")
    if array.ndim < 4:
        return emulator.asarray(array)
    return emulator.namespace.permute_dims(
        emulator.asarray(np.ascontiguousarray(array.transpose(0, 2, 3, 1))), (0, 3, 1, 2))


def backwards(array):
    """A view whose axes lie in reverse order."""
    emulator, axes = backends.get("emulator"), tuple(reversed(range(array.ndim)))
    reversed_copy = np.ascontiguousarray(array.transpose(axes))
    return emulator.namespace.permute_dims(emulator.asarray(reversed_copy), axes)
