"""Arrays of the emulator in every memory layout that a kernel may meet, and results beside those
of float64.
"""

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
        wide = np.full((n, h, w, c + 5), np.nan).astype(values.dtype)
        wide[..., 1:c + 1] = values.transpose(0, 2, 3, 1)
        return xp.permute_dims(emulator.asarray(wide), (0, 3, 1, 2))[:, 1:c + 1]
    if layout == "every second column":
        wide = np.full((*values.shape[:-1], 2 * values.shape[-1]), np.nan).astype(values.dtype)
        wide[..., ::2] = values
        return emulator.asarray(wide)[..., ::2]
    if layout == "backwards":
        return xp.flip(emulator.asarray(np.ascontiguousarray(values[:, :, ::-1])), axis=2)
    if layout == "broadcast":  # one image for all
        return xp.broadcast_to(emulator.asarray(np.ascontiguousarray(values[:1])), values.shape)
    return emulator.asarray(values)


def as_seen(values, layout):
    """What the emulator's array holds, in float64."""
    return np.broadcast_to(values[:1] if layout == "broadcast" else values, values.shape).astype(np.float64)


def compare(op, arrays, layouts, attrs, dtype, dy_layout="plain", seed=0, scale=1.0, needs=None):
    """Run `op` on the emulator's kernels and its generic body on float64, forward and back; raise
    where they differ.

    Returns the emulator's outputs and gradients.
    """
    emulator, needs = backends.get("emulator"), needs or tuple(a is not None and a.dtype.kind != "i"
                                                               for a in arrays)
    right, backward = OPS[op].generic(*(None if a is None else a
                                        if a.dtype.kind == "i" else as_seen(a, layout)
                                        for a, layout in zip(arrays, layouts)), needs=needs, **attrs)
    with backends.use("emulator"):
        mine, back = OPS[op](*(None
                               if a is None else laid_out(a, layout) for a, layout in zip(arrays, layouts)),
                             needs=needs, **attrs)
        right = right if isinstance(right, tuple) else (right,)
        dy = np.asarray(np.random.default_rng(seed).standard_normal(right[0].shape)).astype(dtype)
        gradients = back(laid_out(dy, dy_layout)) if back else ()
    wanted = backward(as_seen(dy, dy_layout)) if backward else ()
    for name, got, expected in zip([*(f"output {n}" for n in range(len(mine))),
                                    *(f"gradient {n}" for n in range(len(gradients)))],
                                   (*mine, *gradients), (*right, *wanted)):
        assert (got is None) == (expected is None), name
        if got is not None:
            values = emulator.to_numpy(got).astype(np.float64)
            tolerance = TOLERANCE[dtype] * scale
            np.testing.assert_allclose(values, expected, rtol=tolerance, atol=tolerance, err_msg=name)
    return mine, gradients
