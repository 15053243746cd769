"""Convolution with few channels: its kernels, with float64's results beyond a tile, at edges, with NaN."""

import numpy as np
import pytest
from cnnkit_cupy import depthwise, direct
from cnnkit_cupy.direct import TILE, WEIGHTS, Direct, Unserved, sensible, tiling

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
SETTINGS = {
    "guide-1-8": ((3, 1, 17, 19), (8, 1, 3, 3), SAME),
    "guide-3-16-5x5": ((2, 3, 9, 37), (16, 3, 5, 5), {**CONV, "padding": ((2, 2), (2, 2))}),
    "8-16": ((1, 8, 14, 14), (16, 8, 3, 3), SAME),
    "odd-channels": ((2, 3, 12, 9), (7, 3, 3, 3), SAME),
    "more-filters-than-a-block-has": ((1, 2, 6, 5), (37, 2, 3, 3), SAME),
    "many-small-images": ((9, 1, 4, 4), (5, 1, 3, 3), SAME),
    "one-pixel": ((5, 2, 1, 1), (4, 2, 3, 3), SAME),
    "strided-dilated-asymmetric": ((2, 3, 20, 18), (6, 3, 2, 4),
                                   {**CONV, "stride": (2, 3), "dilation": (2, 1),
                                    "padding": ((1, 0), (0, 3))}),
    "1x1": ((2, 4, 5, 7), (9, 4, 1, 1), CONV),
    "7x7-stride-2": ((1, 3, 15, 14), (6, 3, 7, 7), {**CONV, "stride": (2, 2), "padding": ((3, 3), (3, 3))}),
    "groups": ((2, 6, 9, 8), (10, 3, 3, 3), {**SAME, "groups": 2}),
    "wide-strides-leave-room-for-one-channel": ((1, 4, 9, 40), (4, 4, 2, 2), {**CONV, "stride": (5, 4)}),
    "padding-wider-than-the-kernel": ((1, 1, 3, 3), (2, 1, 3, 3), {**CONV, "padding": ((4, 3), (3, 5))}),
    "batch-0": ((0, 3, 5, 5), (4, 3, 3, 3), SAME),
}


@pytest.mark.parametrize("view", [None, channels_last, backwards])
@pytest.mark.parametrize("key", [("conv",), ("conv", "relu")], ids="+".join)
@pytest.mark.parametrize("setting", SETTINGS)
def test_results_are_those_of_float64(setting, key, view, launched):
    (x, weight, conv), rng = SETTINGS[setting], np.random.default_rng(0)
    arrays, attrs = [eighths(rng, shape) for shape in (x, weight, weight[:1])], [conv, {}][:len(key)]
    expected = in_float64(key, arrays, attrs)
    dy = eighths(rng, expected[0].shape)
    got, expected = on_emulator(key, arrays, attrs, dy, view), in_float64(key, arrays, attrs, dy)
    compare(got, expected, 1e-5)
    assert [name.split("<")[0] for name in launched] == ["direct_conv2d", "direct_input_gradient",
                                                         "direct_weight_gradient"]


@pytest.mark.parametrize(("setting", "module", "first"),
                         [("guide-1-8", direct, "direct"), ("depthwise", depthwise, "depthwise")])
def test_a_slice_of_several_tiles_is_summed_in_their_order(setting, module, first, launched, monkeypatch):
    from cnnkit_emulator.device import schedule

    shapes = {"guide-1-8": ((3, 1, 17, 37), (8, 1, 3, 3), SAME),
              "depthwise": ((2, 4, 17, 33), (4, 1, 3, 3), {**SAME, "groups": 4})}
    (x, weight, conv), rng = shapes[setting], np.random.default_rng(0)
    arrays = [eighths(rng, shape) for shape in (x, weight, weight[:1])]
    monkeypatch.setattr(module, "BLOCKS", 1)
    monkeypatch.setattr(direct, "planned", direct.planned.__wrapped__)
    results = []
    for order in ("in order", "reversed", "skewed"):
        with schedule(order, 1):
            got = on_emulator(("conv",), arrays, [conv])
        compare(got, in_float64(("conv",), arrays, [conv]), 1e-5)
        results.append(as_bytes(got))
    assert results[1:] == results[:1] * 2
    assert f"{first}_weight_gradient<float, 3>" in launched


def test_float16_is_summed_in_float():
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float16) for shape in ((2, 3, 20, 33), (8, 3, 3, 3), (8,))]
    dy = rng.standard_normal((2, 8, 20, 33)).astype(np.float16)
    compare(on_emulator(("conv",), arrays, [SAME], dy), in_float64(("conv",), arrays, [SAME], dy), 2e-3)


@pytest.mark.parametrize("needs", [(False, True, True), (True, False, False),
                                   (False, True, False), (False, False, True)])
def test_only_what_is_needed_is_made(needs, launched):
    arrays = [eighths(np.random.default_rng(0), shape) for shape in ((1, 2, 5, 5), (4, 2, 3, 3), (4,))]
    y, *gradients = on_emulator(("conv",), arrays, [SAME], needs=needs)
    assert tuple(g is not None for g in gradients) == needs
    compare([y, *gradients], in_float64(("conv",), arrays, [SAME], needs=needs), 1e-5)
    assert any("weight_gradient" in name for name in launched) == (needs[1] or needs[2])
    assert any("input_gradient" in name for name in launched) == needs[0]


def test_infinities_and_nan_reach_what_the_generic_op_lets_them_reach():
    rng, conv = np.random.default_rng(0), {**CONV, "padding": ((1, 0), (0, 1)), "stride": (2, 1)}
    arrays = [eighths(rng, shape) for shape in ((1, 2, 8, 7), (5, 2, 3, 2), (5,))]
    # row 7: no output sees it
    for position, value in (((0, 0, 2, 3), np.inf), ((0, 1, 5, 5), np.nan), ((0, 0, 7, 6), -np.inf)):
        arrays[0][position] = value
    arrays[1][2, 1, 0, 0], arrays[1][3, 0, 2, 1] = np.inf, np.nan
    dy = eighths(rng, (1, 5, 4, 7)) + 2
    dy[0, 4, 1, 1] = np.inf
    with np.errstate(invalid="ignore"):
        expected = in_float64(("conv",), arrays, [conv], dy)
    got = [backends.get("emulator").to_numpy(a) for a in on_emulator(("conv",), arrays, [conv], dy)]
    for name, actual, exact in zip(("y", "dx", "dweight", "dbias"), got, expected):
        np.testing.assert_array_equal(actual, exact.astype(np.float32), err_msg=name)


def test_a_nan_with_the_bits_of_an_absent_element_is_a_nan():
    dy = np.zeros((1, 4, 3, 3), np.float32)
    dy.view(np.uint32)[0, 1, 1, 1] = 0x7FEDCBA9
    arrays = [np.ones(shape, np.float32) for shape in ((1, 2, 3, 3), (4, 2, 3, 3))]
    _, dx, _, _ = on_emulator(("conv",), [*arrays, None], [SAME], dy)
    assert np.isnan(backends.get("emulator").to_numpy(dx)).all()


@pytest.mark.parametrize("setting", ["8-16", "strided-dilated-asymmetric", "many-small-images"])
def test_bits_depend_neither_on_the_schedule_nor_on_the_layout_of_the_inputs(setting):
    from cnnkit_emulator.device import schedule

    (x, weight, conv), rng = SETTINGS[setting], np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in (x, weight, weight[:1])]
    dy = rng.standard_normal(in_float64(("conv",), arrays, [conv])[0].shape).astype(np.float32)
    results = []
    for order, view in (("in order", None), ("reversed", None), ("skewed", None),
                        ("in order", channels_last)):
        with schedule(order, 1):
            results.append(as_bytes(on_emulator(("conv",), arrays, [conv], dy, view)))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("setting", ["guide-1-8", "strided-dilated-asymmetric"])
def test_no_access_races_or_leaves_its_array(setting):
    from cnnkit_emulator.device import traced

    x, weight, conv = SETTINGS[setting]
    arrays = [np.ones(shape, np.float32) for shape in (x, weight, weight[:1])]
    with traced():
        assert on_emulator(("conv", "relu"), arrays, [conv, {}]) is not None


def test_random_settings_are_those_of_float64():
    rng = np.random.default_rng(7)
    for _ in range(60):
        groups, channels = int(rng.choice([1, 1, 2, 3])), int(rng.integers(1, 9))
        filters = int(rng.integers(1, 17)) if channels > 4 else int(rng.choice([1, 2, 4, 5, 8, 33]))
        kernel = (3, 3) if rng.random() < 0.3 else tuple(map(int, rng.integers(1, 6, 2)))
        stride, dilation = (tuple(map(int, rng.integers(1, 4, 2))) if rng.random() < 0.5
                            else (1, 1) for _ in range(2))
        padding = tuple(tuple(map(int, pads)) for pads in rng.integers(0, 4, (2, 2)))
        size = [max(1, (k - 1) * d + 1 - sum(pads)) + int(rng.integers(0, 12))
                for k, d, pads in zip(kernel, dilation, padding)]
        conv = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        shapes = (int(rng.integers(0, 4)), groups * channels, *size), (groups * filters, channels, *kernel)
        if channels == 1 < groups:
            continue
        arrays = [eighths(rng, shapes[0]), eighths(rng, shapes[1]),
                  eighths(rng, shapes[1][:1]) if rng.random() < 0.7 else None]
        view = (None, channels_last, backwards)[rng.integers(3)]
        compare(on_emulator(("conv", "relu"), arrays, [conv, {}], view=view),
                in_float64(("conv", "relu"), arrays, [conv, {}]), 1e-5, (shapes, conv))


def test_what_is_sensible_and_what_is_declined():
    assert sensible(1, 8, 9)
    assert sensible(3, 64, 49)
    assert sensible(8, 16, 9)
    assert not sensible(16, 16, 9)
    assert not sensible(8, 32, 9)
    assert not sensible(1, 8, 64)
    same = ((1, 1), (3, 3), ((0, 0), (0, 0)))
    with pytest.raises(Unserved):
        Direct((1, 3, 2**31, 5), (8, 3, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    with pytest.raises(Unserved):  # a row of the smallest tile does not fit
        Direct((1, 1, 9, 9000), (8, 1, 1, 2), (1, 1), same[2], (1, 6000), 1)


@pytest.mark.parametrize("each", [(4, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("taps", [(3, 3, 1, 1, 1, 1), (5, 4, 2, 3, 2, 1), (7, 7, 1, 1, 1, 1)])
@pytest.mark.parametrize("quads", [1, 2, 4])
def test_a_tile_fits_its_room_and_tiles_cover_the_images(each, taps, quads):
    for size in ((1, 1), (9, 70), (300, 8)):
        for N in (1, 5):
            plan = tiling(N, size, 8, quads, 256 // quads, each, taps)
            assert plan["images"] * plan["depth"] * plan["rows"] * plan["pitch"] <= TILE
            assert 4 * quads * plan["depth"] * taps[0] * taps[1] <= WEIGHTS
            assert quads * plan["columns"] * plan["bands"] * plan["images"] <= 256
            assert plan["tiles_h"] * plan["bands"] * each[0] >= size[0]
            assert plan["tiles_w"] * plan["columns"] * each[1] >= size[1]
            assert plan["width"] <= plan["pitch"]
            assert plan["pitch"] % each[1] == 0
