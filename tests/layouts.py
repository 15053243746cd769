"""Arrays of the emulator in every memory layout, and a comparison of results with float64."""

import numpy as np

from cnnkit import backends
from cnnkit.ops import OPS

LAYOUTS = ("plain", "channels last", "some channels", "every second column", "backwards", "broadcast")
TOLERANCE = {"float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def laid_out(values, layout):
    """`values` (N, C, H, W) on the emulator, in one of the layouts."""
    emulator = backends.get("emulator")
    xp = emulator.namespace
    if layout == "channels last":
        return xp.permute_dims(emulator.asarray(np.ascontiguousarray(values.transpose(0, 2, 3, 1))),
                               (0, 3, 1, 2))
    if layout == "some channels":  # of more, so that pixels may start anywhere
        n, c, h, w = values.shape
        padded = np.full((n, h, w, c + 5), np.nan).astype(values.dtype)
        padded[..., 1:c + 1] = values.transpose(0, 2, 3, 1)
        return xp.permute_dims(emulator.asarray(padded), (0, 3, 1, 2))[:, 1:c + 1]
    if layout == "every second column":
        padded = np.full((*values.shape[:-1], 2 * values.shape[-1]), np.nan).astype(values.dtype)
        padded[..., ::2] = values
        return emulator.asarray(padded)[..., ::2]
    if layout == "backwards":
        return xp.flip(emulator.asarray(np.ascontiguousarray(values[:, :, ::-1])), axis=2)
    if layout == "broadcast":  # one image for all
        return xp.broadcast_to(emulator.asarray(np.ascontiguousarray(values[:1])), values.shape)
    return emulator.asarray(values)


def as_seen(values, layout):
    """The values of the emulator's array, in float64."""
    return np.broadcast_to(values[:1] if layout == "broadcast" else values, values.shape).astype(np.float64)


def compare(op, arrays, layouts, attrs, dtype, dy_layout="plain", seed=0, scale=1.0, needs=None):
    """Compare `op` on the emulator's kernels with its generic body on float64, forward and backward.

    Returns the emulator's outputs and gradients.
    """
    emulator = backends.get("emulator")
    needs = needs or tuple(a is not None and a.dtype.kind != "i" for a in arrays)
    exact = [a if a is None or a.dtype.kind == "i" else as_seen(a, layout)
             for a, layout in zip(arrays, layouts)]
    expected, exact_backward = OPS[op].generic(*exact, needs=needs, **attrs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    with backends.use("emulator"):
        placed = [None if a is None else laid_out(a, layout) for a, layout in zip(arrays, layouts)]
        outputs, backward = OPS[op](*placed, needs=needs, **attrs)
        dy = np.asarray(np.random.default_rng(seed).standard_normal(expected[0].shape)).astype(dtype)
        gradients = backward(laid_out(dy, dy_layout)) if backward else ()
    expected_gradients = exact_backward(as_seen(dy, dy_layout)) if exact_backward else ()
    for name, actual, reference in zip([*(f"output {n}" for n in range(len(outputs))),
                                        *(f"gradient {n}" for n in range(len(gradients)))],
                                       (*outputs, *gradients), (*expected, *expected_gradients)):
        assert (actual is None) == (reference is None), name
        if actual is not None:
            values = emulator.to_numpy(actual).astype(np.float64)
            tolerance = TOLERANCE[dtype] * scale
            np.testing.assert_allclose(values, reference, rtol=tolerance, atol=tolerance, err_msg=name)
    return outputs, gradients
