"""Convolution, ReLU and max pooling in one kernel: equal to the three ops; the guide's networks use it."""

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, models, optim
from cnnkit import functional as F

from .few_channels import (
    CONV,
    POOL,
    SAME,
    as_bytes,
    backwards,
    channels_last,
    compare,
    eighths,
    in_float64,
    needs_emulator,
    on_emulator,
)

pytestmark = needs_emulator
KEY = ("conv", "relu", "max_pool")
SETTINGS = {
    "guide-1-8": ((3, 1, 10, 12), (8, 1, 3, 3), SAME, {}),
    "guide-8-16": ((2, 8, 14, 14), (16, 8, 3, 3), SAME, {}),
    "5x5": ((1, 3, 9, 70), (5, 3, 5, 5), {**CONV, "padding": ((2, 2), (2, 2))}, {}),
    "odd-sizes": ((2, 3, 9, 11), (8, 3, 3, 3), SAME, {}),
    "sizes-rounded-up": ((2, 3, 9, 11), (8, 3, 3, 3), SAME, {"ceil_mode": True}),
    "windows-3x2": ((2, 2, 10, 9), (5, 2, 3, 3), SAME, {"kernel_size": (3, 2), "stride": (3, 2)}),
    "windows-3x3-rounded-up": ((1, 2, 10, 11), (5, 2, 3, 3), SAME,
                               {"kernel_size": (3, 3), "stride": (3, 3), "ceil_mode": True}),
    "strided-dilated": ((2, 3, 17, 16), (6, 3, 3, 2),
                        {**CONV, "stride": (2, 1), "dilation": (1, 3), "padding": ((0, 1), (2, 0))}, {}),
    "groups": ((2, 4, 8, 10), (20, 2, 3, 2), {**CONV, "groups": 2}, {}),
    "more-filters-than-a-block-has": ((1, 2, 6, 6), (37, 2, 3, 3), SAME, {}),
    "more-filters-other-windows": ((1, 2, 6, 6), (37, 2, 3, 3), SAME,
                                   {"kernel_size": (1, 3), "stride": (1, 3)}),
    "batch-0": ((0, 1, 8, 8), (4, 1, 3, 3), SAME, {}),
}


@pytest.mark.parametrize("view", [None, channels_last, backwards])
@pytest.mark.parametrize("setting", SETTINGS)
def test_results_are_those_of_the_three_ops_in_float64(setting, view, launched):
    (x, weight, conv, pool), rng = SETTINGS[setting], np.random.default_rng(0)
    arrays, attrs = [eighths(rng, shape) for shape in (x, weight, weight[:1])], [conv, {}, {**POOL, **pool}]
    dy = eighths(rng, in_float64(KEY, arrays, attrs)[0].shape)
    compare(on_emulator(KEY, arrays, attrs, dy, view), in_float64(KEY, arrays, attrs, dy), 1e-5)
    assert [name.split("<")[0] for name in launched] == [
        "conv2d_relu_max_pool2d", "direct_input_gradient", "direct_weight_gradient"]


def test_ties_go_to_the_first_and_what_relu_stopped_gets_nothing():
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 0, 1] = x[0, 0, 1, 0] = 3  # the first window ties, the others are 0 or below
    x[0, 0, 2:] = -1
    arrays, dy = ([x, np.ones((4, 1, 1, 1), np.float32), None],
                  np.arange(1.0, 17, dtype=np.float32).reshape(1, 4, 2, 2))
    _, dx, dweight, _ = on_emulator(KEY, arrays, [CONV, {}, POOL], dy)
    expected = np.zeros((4, 4))
    expected[0, 1] = dy[0, :, 0, 0].sum()
    np.testing.assert_array_equal(backends.get("emulator").to_numpy(dx)[0, 0], expected)
    np.testing.assert_array_equal(backends.get("emulator").to_numpy(dweight).ravel(), 3 * dy[0, :, 0, 0])


def test_in_float16_what_ties_as_it_is_stored_ties():
    x = np.zeros((1, 2, 2, 2), np.float16)
    x[0, 0] = 2048
    x[0, 1] = [[0, 1], [0.25, 0.5]]  # 2048 + 1 is stored as 2048
    arrays = [x, np.ones((1, 2, 1, 1), np.float16), None]
    compare(on_emulator(KEY, arrays, [CONV, {}, POOL]), in_float64(KEY, arrays, [CONV, {}, POOL]), 0)


@pytest.mark.parametrize("size", [3, 2])
def test_the_first_nan_wins_and_infinities_stay(size):
    rng = np.random.default_rng(0)
    arrays = [eighths(rng, shape) for shape in ((1, 1, 8, 8), (5, 1, size, size), (5,))]
    arrays[0][0, 0, 1, 1], arrays[0][0, 0, 6, 2], arrays[0][0, 0, 4, 6] = np.nan, np.inf, -np.inf
    arrays[1] = np.abs(arrays[1]) + 1
    attrs = [SAME, {}, POOL]
    with np.errstate(invalid="ignore"):
        expected = in_float64(KEY, arrays, attrs)
        got = [backends.get("emulator").to_numpy(a) for a in on_emulator(KEY, arrays, attrs)]
    for name, actual, exact in zip(("y", "dx", "dweight", "dbias"), got, expected):
        np.testing.assert_allclose(actual, exact, rtol=1e-5, err_msg=name)
    assert np.isnan(got[0]).any()


def test_random_settings_are_those_of_the_three_ops():
    rng = np.random.default_rng(9)
    for _ in range(60):
        channels, filters, kernel = (int(rng.integers(1, 5)), int(rng.choice([1, 4, 5, 8])),
                                     int(rng.choice([2, 3, 5])))
        conv = {**CONV, "padding": tuple(tuple(map(int, pads)) for pads in rng.integers(0, 3, (2, 2))),
                "stride": (1, 1) if rng.random() < 0.6 else tuple(map(int, rng.integers(1, 3, 2)))}
        window = (2, 2) if rng.random() < 0.5 else tuple(map(int, rng.integers(1, 4, 2)))
        size = [int(n) for n in kernel + 6 + rng.integers(0, 9, 2)]
        shapes = (int(rng.integers(1, 4)), channels, *size), (filters, channels, kernel, kernel)
        arrays = [eighths(rng, shape) for shape in (*shapes, (filters,))]
        attrs = [conv, {},
                 {**POOL, "kernel_size": window, "stride": window, "ceil_mode": bool(rng.random() < 0.4)}]
        view = (None, channels_last, backwards)[rng.integers(3)]
        compare(on_emulator(KEY, arrays, attrs, view=view), in_float64(KEY, arrays, attrs),
                1e-5, (shapes, attrs))


@pytest.mark.parametrize("setting", ["guide-1-8", "windows-3x2"])
def test_bits_do_not_depend_on_the_schedule_and_no_access_races(setting):
    from cnnkit_emulator.device import schedule, traced

    (x, weight, conv, pool), rng = SETTINGS[setting], np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in (x, weight, weight[:1])]
    results = []
    for context in (schedule("in order"), schedule("reversed"), schedule("skewed", 1), traced()):
        with context:
            results.append(as_bytes(on_emulator(KEY, arrays, [conv, {}, {**POOL, **pool}])))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize(("x", "weight", "conv", "pool"), [
    ((1, 1, 8, 8), (4, 1, 3, 3), {}, {"stride": (1, 1)}),
    ((1, 1, 8, 8), (4, 1, 3, 3), {}, {"dilation": (2, 2)}),
    ((1, 1, 8, 8), (4, 1, 3, 3), {}, {"padding": ((1, 1), (1, 1))}),
    ((1, 16, 8, 8), (4, 16, 3, 3), {}, {}),
    ((1, 4, 8, 8), (4, 1, 3, 3), {"groups": 4}, {}),
    ((1, 1, 40, 40), (4, 1, 3, 3), {}, {"kernel_size": (16, 16), "stride": (16, 16)}),
])
def test_declines_before_it_computes(x, weight, conv, pool, launched):
    arrays = [np.zeros(x, np.float32), np.zeros(weight, np.float32), None]
    assert on_emulator(KEY, arrays, [{**CONV, **conv}, {}, {**POOL, **pool}]) is None
    assert on_emulator(KEY, [a if a is None else a.astype(np.float64) for a in arrays],
                       [CONV, {}, POOL]) is None
    assert launched == []


def test_a_training_step_of_the_guides_common_network_runs_through_the_fused_kernel(launched):
    with cnnkit.use("emulator"):
        model = models.CommonCNN((3, 8, 8), classes=3)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        x, y = cnnkit.tensor(eighths(np.random.default_rng(0), (4, 3, 8, 8))), cnnkit.tensor(np.arange(4) % 3)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert launched == [f"{name}<float{size}>" for name, size in (
        ("conv2d_relu_max_pool2d", ", 3"), ("conv2d_relu_max_pool2d", ", 3"),
        ("direct_input_gradient", ", 3"), ("direct_weight_gradient", ", 3"),
        ("direct_weight_gradient", ", 3"))]


def test_a_training_step_of_the_guides_simple_cnn_runs_through_the_fused_kernel(launched):
    pictures, labels = eighths(np.random.default_rng(0), (3, 8, 8)) + 0.5, [0, 1, 2]
    with cnnkit.use("emulator"):
        net = models.SimpleCNN(num_filters=8, input_size=(8, 8), output_classes=3, dtype="float32")
        net.backward(pictures, labels)
        assert launched == ["conv2d_relu_max_pool2d<float, 3>", "direct_weight_gradient<float, 3>"]
        pooled = net._backend.to_numpy(net.pooled_output)
        assert net.relu_output.shape == (3, 6, 6, 8)
    assert launched[2:] == ["direct_conv2d<float, 3>"]
    reference = models.SimpleCNN(num_filters=8, input_size=(8, 8), output_classes=3,
                                 dtype="float32", backend="numpy")
    reference.forward(pictures)
    np.testing.assert_allclose(pooled, reference.pooled_output, rtol=1e-5, atol=1e-6)
