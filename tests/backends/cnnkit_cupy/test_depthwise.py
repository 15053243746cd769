"""Depthwise convolution: which instances serve it, and that they are float64's."""

import numpy as np
import pytest

from cnnkit import backends

from .few_channels import (
    CONV,
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
KEY = ("conv", "relu")
SETTINGS = {
    "3x3": ((2, 8, 9, 12), (8, 1, 3, 3), SAME),
    "5x5": ((1, 36, 6, 7), (36, 1, 5, 5), {**CONV, "padding": ((2, 2), (2, 2))}),
    "odd-channels": ((2, 5, 11, 6), (5, 1, 3, 3), SAME),
    "multiplier-3": ((2, 4, 6, 5), (12, 1, 3, 3), SAME),
    "strided-dilated-asymmetric": ((2, 4, 12, 9), (4, 1, 2, 3), {**CONV, "stride": (2, 3), "dilation": (1, 2),
                                                                 "padding": ((0, 2), (1, 0))}),
    "multiplier-2-strided": ((1, 33, 7, 7), (66, 1, 3, 3), {**CONV, "stride": (2, 2)}),
    "wide": ((1, 2, 3, 70), (2, 1, 3, 3), SAME),
    "one-pixel": ((3, 8, 1, 1), (8, 1, 3, 3), SAME),
    "batch-0": ((0, 8, 5, 5), (8, 1, 3, 3), SAME),
}


@pytest.mark.parametrize("view", [None, channels_last, backwards])
@pytest.mark.parametrize("key", [("conv",), KEY], ids="+".join)
@pytest.mark.parametrize("setting", SETTINGS)
def test_results_are_those_of_float64(setting, key, view, launched):
    (x, weight, conv), rng = SETTINGS[setting], np.random.default_rng(0)
    conv = {**conv, "groups": x[1]}
    arrays, attrs = [eighths(rng, shape) for shape in (x, weight, weight[:1])], [conv, {}][:len(key)]
    dy = eighths(rng, in_float64(key, arrays, attrs)[0].shape)
    compare(on_emulator(key, arrays, attrs, dy, view), in_float64(key, arrays, attrs, dy), 1e-5)
    assert [name.split("<")[0] for name in launched] == [
        "depthwise_conv2d", "depthwise_input_gradient", "depthwise_weight_gradient"]


def test_neighbouring_channels_are_read_four_at_a_time_with_the_same_bits(launched):
    rng, (x, weight, conv) = np.random.default_rng(0), SETTINGS["3x3"]
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in (x, weight, weight[:1])]
    dy = rng.standard_normal(x).astype(np.float32)
    results = [as_bytes(on_emulator(KEY, arrays, [{**conv, "groups": 8}, {}], dy, view))
               for view in (None, channels_last)]
    assert launched[0] == "depthwise_conv2d<float, 3, 1>"
    assert launched[3:5] == ["depthwise_conv2d<float, 3, 4>", "depthwise_input_gradient<float, 3, 4>"]
    assert results[0] == results[1]


def test_float16_is_summed_in_float():
    rng, conv = np.random.default_rng(0), {**SAME, "groups": 8}
    arrays = [rng.standard_normal(shape).astype(np.float16) for shape in ((2, 8, 20, 13), (8, 1, 3, 3), (8,))]
    dy = rng.standard_normal((2, 8, 20, 13)).astype(np.float16)
    compare(on_emulator(("conv",), arrays, [conv], dy, channels_last),
            in_float64(("conv",), arrays, [conv], dy), 2e-3)


def test_infinities_and_nan_reach_what_the_generic_op_lets_them_reach():
    rng, conv = np.random.default_rng(0), {**CONV, "padding": ((1, 0), (0, 1)), "stride": (2, 1), "groups": 4}
    arrays = [eighths(rng, shape) for shape in ((1, 4, 8, 7), (4, 1, 3, 2), (4,))]
    # row 7: no output sees it
    for position, value in (((0, 0, 2, 3), np.inf), ((0, 1, 5, 5), np.nan), ((0, 2, 7, 6), -np.inf)):
        arrays[0][position] = value
    arrays[1][2, 0, 0, 0], arrays[1][3, 0, 2, 1] = np.inf, np.nan
    dy = eighths(rng, (1, 4, 4, 7)) + 2
    dy[0, 3, 1, 1] = np.inf
    with np.errstate(invalid="ignore"):
        expected = in_float64(("conv",), arrays, [conv], dy)
    for view in (None, channels_last):
        got = [backends.get("emulator").to_numpy(a) for a in on_emulator(("conv",), arrays, [conv], dy, view)]
        for name, actual, exact in zip(("y", "dx", "dweight", "dbias"), got, expected):
            np.testing.assert_array_equal(actual, exact.astype(np.float32), err_msg=name)


@pytest.mark.parametrize("setting", ["3x3", "multiplier-2-strided"])
def test_bits_do_not_depend_on_the_schedule_and_no_access_races(setting):
    from cnnkit_emulator.device import schedule, traced

    (x, weight, conv), rng = SETTINGS[setting], np.random.default_rng(0)
    arrays, conv = ([rng.standard_normal(shape).astype(np.float32) for shape in (x, weight, weight[:1])],
                    {**conv, "groups": x[1]})
    results = []
    for context in (schedule("in order"), schedule("reversed"), schedule("skewed", 1), traced()):
        with context:
            results.append(as_bytes(on_emulator(("conv",), arrays, [conv])))
    assert all(result == results[0] for result in results)


def test_random_settings_are_those_of_float64():
    rng = np.random.default_rng(8)
    for _ in range(60):
        channels, multiplier = int(rng.choice([2, 3, 4, 8, 36])), int(rng.choice([1, 1, 2, 3]))
        kernel = tuple(map(int, rng.choice([(3, 3), (5, 5), (1, 4), (4, 2), (7, 7)])))
        stride, dilation = (tuple(map(int, rng.integers(1, 4, 2))) if rng.random() < 0.5
                            else (1, 1) for _ in range(2))
        padding = tuple(tuple(map(int, pads)) for pads in rng.integers(0, 4, (2, 2)))
        size = [max(1, (k - 1) * d + 1 - sum(pads)) + int(rng.integers(0, 12))
                for k, d, pads in zip(kernel, dilation, padding)]
        conv = {"stride": stride, "padding": padding, "dilation": dilation, "groups": channels}
        shapes = (int(rng.integers(0, 3)), channels, *size), (channels * multiplier, 1, *kernel)
        arrays = [eighths(rng, shapes[0]), eighths(rng, shapes[1]),
                  eighths(rng, shapes[1][:1]) if rng.random() < 0.7 else None]
        view = (None, channels_last, backwards)[rng.integers(3)]
        compare(on_emulator(KEY, arrays, [conv, {}], view=view), in_float64(KEY, arrays, [conv, {}]),
                1e-5, (shapes, conv))
