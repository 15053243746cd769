"""Pooling kernels: random settings beside float64, memory layouts, and arithmetic for large images."""

import numpy as np
import pytest
from cnnkit_cupy import pool
from cnnkit_cupy.launcher import contiguous
from cnnkit_cupy.types import lanes_of
from layouts import LAYOUTS, compare, laid_out

from cnnkit import backends
from cnnkit.shapes import pool_output_shape

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
SEEDS = range(60)


def random_call(seed):
    """An op, its input, attributes, dtype and the layouts of x and dy."""
    rng = np.random.default_rng(seed)

    def pick(*choices):
        return choices[rng.integers(len(choices))]
    while True:
        op = pick("max_pool_with_indices", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool_with_indices")
        shape = (pick(1, 2, 3), pick(1, 3, 4, 6, 8, 16), pick(1, 2, 5, 8, 11), pick(1, 2, 4, 7, 12))
        dtype = pick("float32", "float32", "float16")
        if op.startswith("adaptive"):
            attrs = {"output_size": (pick(1, 1, 2, 3, 7, None), pick(1, 1, 2, 4, 5, None))}
        else:
            kernel, padding = (pick(1, 2, 3, 4), pick(1, 2, 3)), []
            for k in kernel:
                padding.append((rng.integers(k // 2 + 1), rng.integers(k // 2 + 1)))
            attrs = {"kernel_size": kernel, "stride": (pick(1, 2, 3), pick(1, 2, 4)),
                     "ceil_mode": pick(False, True), "padding": tuple(tuple(map(int, p)) for p in padding)}
            if op == "avg_pool":
                attrs.update(count_include_pad=pick(False, True), divisor_override=pick(None, None, 3, -2))
            else:
                attrs.update(dilation=(pick(1, 1, 2), pick(1, 1, 3)))
            try:
                pool_output_shape(shape, kernel, attrs["stride"], attrs["padding"],
                                  attrs.get("dilation", (1, 1)), attrs["ceil_mode"])
            except ValueError:
                continue
        x = (rng.permutation(np.prod(shape)).reshape(shape) / 8
             if op[0] == "m" else rng.integers(-16, 17, shape) / 8)
        if "max" in op and pick(False, True):
            x.reshape(-1)[rng.integers(x.size)] = np.nan
        return op, x.astype(dtype), attrs, dtype, pick(*LAYOUTS), pick(*LAYOUTS)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_settings_give_the_results_of_float64(seed):
    op, x, attrs, dtype, layout, dy_layout = random_call(seed)
    if "max" in op and np.unique(x[~np.isnan(x)]).size < x.size - 1:
        x = (np.round(x * 2) / 2).astype(dtype)  # many ties
    outputs, (dx,) = compare(op, [x], [layout], attrs, dtype, dy_layout)
    for array in (*outputs, dx):
        assert contiguous(array, channels_last=True)


def test_a_window_of_padding_only_has_no_index():
    attrs = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)),
             "dilation": (1, 3), "ceil_mode": True}
    x = np.arange(32, dtype=np.float32).reshape(1, 4, 2, 4)
    (_, indices), _ = compare("max_pool_with_indices", [x], ["channels last"], attrs, "float32")
    assert backends.get("emulator").to_numpy(indices).dtype == np.int64


@pytest.mark.parametrize(("kernel", "dtype"), [((15, 17), "uint8"), ((16, 16), "int32")])
def test_an_argmax_takes_one_byte_up_to_255_elements(kernel, dtype):
    x = np.random.default_rng(0).permutation(8 * 20 * 21).reshape(1, 8, 20, 21).astype(np.float32)
    attrs = {"kernel_size": kernel, "stride": (3, 2), "padding": ((0, 0), (1, 0)),
             "dilation": (1, 1), "ceil_mode": False}
    made, before = [], pool.Windows.empty

    def empty(self, shape, kind, like):
        made.append(kind)
        return before(self, shape, kind, like)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool.Windows, "empty", empty)
        compare("max_pool_with_indices", [x], ["channels last"], attrs, "float32", "channels last")
    assert made[1:3] == [dtype, "int64"]


def test_the_average_of_a_whole_image_is_a_sum_by_many_threads():
    x = np.random.default_rng(0).standard_normal((3, 8, 20, 13)).astype(np.float32)
    assert pool.rows(20 * 13, 16) == 32
    compare("adaptive_avg_pool", [x], ["channels last"], {"output_size": (1, 1)}, "float32")
    assert [pool.rows(area, 16) for area in (1, 4, 7, 8, 49, 127, 128)] == [1, 1, 1, 2, 8, 16, 32]
    assert pool.rows(49, 4) == pool.rows(9999, 2) == 8


@pytest.mark.parametrize(("layout", "channels", "dtype", "lanes"), [
    ("channels last", 8, "float32", 4),
    ("channels last", 8, "float16", 8), ("channels last", 6, "float32", 1),
    ("channels last", 4, "float16", 1), ("plain", 8, "float32", 1), ("some channels", 8, "float32", 1),
    ("broadcast", 8, "float32", 1),
])
def test_a_thread_takes_16_bytes_of_channels_only_where_memory_lets_it(layout, channels, dtype, lanes):
    x = laid_out(np.zeros((2, channels, 3, 2), dtype), layout)
    assert lanes_of(backends.get("emulator").cuda, x) == lanes


def test_half_of_the_channels_can_be_taken_at_once_where_they_begin_at_16_bytes():
    x = laid_out(np.zeros((2, 8, 3, 2), np.float32), "channels last")
    device = backends.get("emulator").cuda
    assert [lanes_of(device, x[:, i:i + 4]) for i in (0, 1, 4)] == [4, 1, 4]


@pytest.mark.parametrize("op", ["max_pool", "avg_pool", "adaptive_avg_pool"])
def test_no_images_give_no_results(op):
    x = np.zeros((0, 4, 4, 4), np.float32)
    attrs = {"kernel_size": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "ceil_mode": False}
    more = {"max_pool": {**attrs, "dilation": (1, 1)},
            "avg_pool": {**attrs, "count_include_pad": True, "divisor_override": None}}
    outputs, (dx,) = compare(op, [x], ["plain"], more.get(op, {"output_size": (1, 1)}), "float32")
    assert outputs[0].shape[:2] == (0, 4)
    assert dx.shape == x.shape


def test_adaptive_windows_whose_bounds_an_int_cannot_number_are_declined():
    xp = backends.get("emulator").namespace
    x = xp.broadcast_to(backends.get("emulator").asarray(np.zeros((1, 1, 1, 1), np.float32)),
                        (1, 1, 2**20, 1))
    for op in (pool.adaptive_avg_pool2d, pool.adaptive_max_pool2d, pool.adaptive_max_pool2d_with_indices):
        assert op(x, needs=(False,), output_size=(2**11, 1)) is NotImplemented
