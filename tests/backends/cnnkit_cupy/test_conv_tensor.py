"""Convolution on tensor cores: which shapes, the same bits from every tile, waste."""

import re

import numpy as np
import pytest
from chains import chain
from cnnkit_cupy import conv, conv_tensor, launcher
from cnnkit_cupy.choice import Choice
from cnnkit_cupy.launcher import KERNELS
from cnnkit_cupy.sources import source
from cnnkit_emulator import device
from cnnkit_emulator.device import counted, schedule, traced
from emulated_convolution import EVERY, PLAIN, SAME, as_nhwc, bits, generic

import cnnkit
from cnnkit import backends, conformance, functional, nn
from cnnkit.conformance.checks.comparing import forward_and_back
from cnnkit.conformance.expected import expected as expected_of
from cnnkit.ops import OPS

from .tensor_convolution import TILED, random_arrays, run

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)


@pytest.fixture
def launches(launches, request):
    """As in conftest.py, but only on request."""
    if "emulator" not in request.config.getoption("backend"):
        pytest.skip("it builds kernels for half a minute: only with --backend emulator")
    return launches


@pytest.fixture
def launched(launches):
    """The kernels of ``conv_tensor.cu`` that are launched, in order: name and grid."""
    return launches["conv_tensor"]


@pytest.fixture
def weight_gradients(launches):
    """Those of ``conv_tensor_weights.cu``."""
    return launches["conv_tensor_weights"]


def assert_right(got, arrays, dy, **attrs):
    close = 2.0**-9 if arrays[0].dtype == np.float16 else 2.0**-6
    for name, actual, expected in zip(("y", "dx", "dweight", "dbias"), got, generic(arrays, dy, **attrs)):
        actual = backends.get("emulator").to_numpy(actual).astype(np.float64)
        np.testing.assert_allclose(actual, expected, rtol=close, atol=close, err_msg=name)


# -- which kernel --------------------------------------------------------------------------------------------

def test_a_tile_is_what_the_source_says():
    text = source("conv_tensor")
    for name in conv_tensor.FLOATS:
        plain, three = (re.search(rf"using {name}{end} = TensorTiling<([\d, ]+)>;", text).group(1)
                        for end in ("", "3"))
        assert three == f"{plain}, 3"
    for name in conv_tensor.WEIGHT_TILINGS[4]:
        plain, three = (re.search(rf"using {name}{end} = TensorTiling<([\d, ]+)>;", text).group(1)
                        for end in ("", "3"))
        assert three == f"{plain}, 3"
    for name, tile in (conv_tensor.TILINGS | conv_tensor.WEIGHT_TILINGS[4]).items():
        numbers = re.search(rf"using {name} = TensorTiling<([\d, ]+)>;", text).group(1)
        assert tuple(map(int, numbers.split(","))) == (tile.rows, tile.columns, tile.warp_rows,
                                                       tile.warp_columns, tile.stages, tile.blocks)
    for name, value in (("most_taps", conv_tensor.TAPS), ("packed_filters", conv_tensor.FILTERS),
                        ("packed_channels", conv_tensor.CHANNELS), ("packed_taps", conv_tensor.PACKED_TAPS)):
        assert re.search(rf"\b{name} = (\d+)", text).group(1) == str(value)


def test_two_blocks_of_the_largest_tiles_fit_into_100_kilobytes():
    for name in ("TensorLarge", "TensorNarrow"):
        assert 2 * (conv_tensor.TILINGS[name].shared + 1024) <= 100 << 10
    for tile in conv_tensor.WEIGHT_TILINGS[4].values():
        assert tile.blocks * (tile.weight_shared + 1024) <= 100 << 10


@pytest.mark.parametrize(("x", "weight", "attrs", "kernels"), [
    ((2, 16, 5, 5), (24, 16, 3, 3), {}, ["pack_columns", "Thin", "Thin"]),
    ((2, 16, 5, 5), (40, 16, 3, 3), {}, ["pack_columns", "Small", "Thin"]),
    ((2, 16, 5, 5), (20, 16, 3, 3), {}, ["pack_columns", "Thin"]),  # dy has 20 channels
    ((2, 16, 8, 8), (24, 16, 7, 7), {}, ["pack_columns", "Thin", "Thin"]),
], ids=["filters", "more-filters", "odd-filters", "49-taps"])
def test_the_instances_that_a_shape_gets(launched, x, weight, attrs, kernels):
    arrays = random_arrays(x, weight)
    got, dy = run(arrays, **attrs)
    assert_right(got, arrays, dy, **attrs)
    assert [re.sub(r"conv2d_|tensor<__half, Tensor|<__half>|>", "", name) for name, _ in launched] == kernels


@pytest.mark.parametrize(("x", "weight", "dtype"), [
    ((2, 16, 5, 5), (24, 16, 3, 3), "float32"),
    ((2, 12, 5, 5), (24, 12, 3, 3), "float16"),
    ((2, 16, 9, 9), (24, 16, 8, 7), "float16"),
    ((0, 16, 5, 5), (24, 16, 3, 3), "float16"),
], ids=["float32", "12-channels", "56-taps", "no-image"])
def test_what_does_not_fit_is_declined(x, weight, dtype):
    arrays = [*map(as_nhwc, random_arrays(x, weight, dtype)[:2]), None]
    assert conv_tensor.conv2d(*arrays, needs=EVERY, **PLAIN) is NotImplemented


def test_older_devices_are_served_by_the_tiled_product(monkeypatch, launches):
    arrays = random_arrays((2, 16, 5, 5), (24, 16, 3, 3))
    with cnnkit.use("emulator"):
        for capability, module in ((75, "conv"), (80, "conv_tensor")):
            launches.clear()
            monkeypatch.setattr(device, "CAPABILITY", capability)
            OPS["conv"](*map(as_nhwc, arrays), needs=(False,) * 3, **PLAIN)
            assert set(launches) == {module}
            dy = as_nhwc(np.ones((2, 24, 3, 3), np.float16))
            launches.clear()
            OPS["conv_filters"](as_nhwc(arrays[0]), dy, needs=(False,) * 2, kernel_size=(3, 3), **PLAIN)
            assert set(launches) == {module.replace("tensor", "tensor_weights")}


def test_the_lowest_architecture_is_amperes():
    for module in ("conv_tensor", "conv_tensor_weights"):
        assert {KERNELS[name].arch for name in launcher.instances(module)} == {80}


def test_autocast_convolves_on_tensor_cores(launched):
    with cnnkit.use("emulator"):
        model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 24, 3), nn.ReLU(),
                              nn.Conv2d(24, 16, 1))
        x = cnnkit.tensor(np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32))
        with cnnkit.autocast("cpu", dtype=cnnkit.float16):
            y = model(x)
        functional.mse_loss(y.float(), cnnkit.zeros(*y.shape)).backward()
    names = [name for name, _ in launched]
    assert sum(name.startswith("conv2d_tensor<__half, ") for name in names) == 4  # two forward, two back
    assert all(backends.dtype_name(p.grad.dtype) == "float32" for p in model.parameters())


# -- right, and the same bits from every tile ----------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", [case for case in conformance.CASES if "-vectors-" in case.id],
                         ids=lambda case: case.id)
def test_the_cases_hold_in_both_dtypes(case, dtype, launched):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    target = conformance.Target("emulator")
    with target.entered():
        forward_and_back(case, target, expected_of(case, dtype), dtype)
    assert (launched != []) == (case.op == "conv")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", TILED)
def test_every_tile_is_right_and_gives_the_same_bits(case, dtype, launched, monkeypatch):
    x, weight, attrs = TILED[case]
    arrays, results = random_arrays(x, weight, dtype), {}
    for name in conv_tensor.TILINGS:
        monkeypatch.setattr(conv_tensor, "tiling", lambda *_, name=name: Choice(name, {}, False))
        launcher.forget()
        got, dy = run(arrays, **attrs)
        assert_right(got, arrays, dy, **attrs)
        results[name] = bits(got)[:2]
        assert sum(f", {name}>" in n for n, _ in launched) == 2
    assert len(set(map(tuple, results.values()))) == 1


@pytest.mark.parametrize(("weight", "name"), [
    ((72, 16, 3, 3), "TensorLarge"), ((40, 16, 3, 3), "TensorSmall"), ((24, 136, 1, 1), "TensorSmall"),
    ((16, 8, 2, 2), "TensorSmall")])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weight_gradients_of_every_tile_are_right_in_slices_too(weight, name, dtype, weight_gradients,
                                                                monkeypatch):
    monkeypatch.setattr(conv, "SHORTEST", 40)
    arrays = random_arrays((2, weight[1], 9, 8), weight, dtype)
    attrs = {"padding": SAME, "stride": (1, 2)}
    got, dy = run(arrays, **attrs)
    assert_right(got, arrays, dy, **attrs)
    (launch, grid), = weight_gradients
    assert name in launch
    assert grid[2] == -(-dy.shape[0] * dy.shape[2] * dy.shape[3] // 40) > 1
    for order in (("reversed", 0), ("skewed", 1)):
        with schedule(*order):
            assert bits(run(arrays, dy, **attrs)[0]) == bits(got)


@pytest.mark.parametrize("needs", [(False, True, False), (False, True, True), (False, False, True)])
def test_gradients_that_nobody_needs_are_not_computed(needs, launched, weight_gradients):
    arrays = random_arrays((2, 16, 9, 8), (24, 16, 3, 3))
    got, dy = run(arrays, needs=needs)
    exact = generic(arrays, dy)
    for gradient, expected, needed in zip(got[1:], exact[1:], needs):
        assert (gradient is not None) == needed
        if needed:
            np.testing.assert_allclose(backends.get("emulator").to_numpy(gradient).astype(float), expected,
                                       rtol=2.0**-9, atol=2.0**-9)
    assert len(launched) == 2
    assert len(weight_gradients) == needs[1]


def test_an_images_bits_do_not_depend_on_the_batch(launched):
    arrays = random_arrays((5, 16, 9, 7), (24, 16, 3, 3))
    got, dy = run(arrays, padding=SAME, stride=(2, 1))
    alone, _ = run([arrays[0][3:4], *arrays[1:]], dy[3:4], padding=SAME, stride=(2, 1))
    to_numpy = backends.get("emulator").to_numpy
    np.testing.assert_array_equal(to_numpy(got[0])[3], to_numpy(alone[0])[0])
    np.testing.assert_array_equal(to_numpy(got[1])[3], to_numpy(alone[1])[0])


def test_views_with_a_stride_between_pixels_are_read_where_they_are(launched):
    arrays, emulator = random_arrays((2, 16, 6, 5), (24, 16, 2, 2)), backends.get("emulator")

    def every_second_row(array):
        if array.shape[1:] != (16, 6, 5):
            return as_nhwc(array)
        wider = as_nhwc(np.repeat(array, 2, axis=2))
        return wider[:, :, ::2, :]
    got, dy = run(arrays, make=every_second_row)
    assert_right(got, arrays, dy)
    assert emulator.to_numpy(got[0]).dtype == np.float16


def test_arrays_in_another_order_get_their_channels_last_first(launched):
    arrays, emulator = random_arrays((3, 40, 5, 7), (72, 40, 3, 3)), backends.get("emulator")
    got, dy = run(arrays, make=emulator.asarray)
    assert_right(got, arrays, dy)
    assert bits(got) == bits(run(arrays, dy)[0])
    assert sum(name == "channels_last<__half>" for name, _ in launched) == 2  # x, and dy for both gradients


def test_an_input_gradient_alone_is_served_in_any_order(launched):
    (x, weight, _), emulator = random_arrays((2, 16, 5, 5), (24, 16, 3, 3)), backends.get("emulator")
    dy = np.random.default_rng(1).standard_normal((2, 24, 3, 3)).astype(np.float16)
    expected = generic((x, weight, weight[:, 0, 0, 0]), dy)[1]
    for make in (as_nhwc, emulator.asarray):
        dx, _ = conv_tensor.conv2d_input(make(dy), make(weight), needs=(False, False), size=(5, 5), **PLAIN)
        np.testing.assert_allclose(emulator.to_numpy(dx).astype(float), expected, rtol=2.0**-9, atol=2.0**-9)


def test_infinite_weights_reach_the_pixels_that_their_taps_touch(launched):
    arrays = random_arrays((1, 16, 6, 5), (16, 16, 3, 3))
    arrays[1][0, :, 0, 2], arrays[1][1, 2, 2, 0], arrays[1][2, 0, 1, 1] = np.inf, -np.inf, np.nan
    for attrs in ({}, {"padding": SAME}, {"padding": SAME, "stride": (2, 2)}):
        got, dy = run(arrays, **attrs)
        with np.errstate(invalid="ignore"):
            expected = generic(arrays, dy, **attrs)
        for actual, exact in zip(got, expected):
            np.testing.assert_allclose(backends.get("emulator").to_numpy(actual).astype(float),
                                       exact, rtol=2.0**-9, atol=2.0**-9)
        assert np.isnan(expected[1]).any()
        assert not np.isnan(expected[1]).all()


def test_relu_is_applied_before_sums_are_written(launched, launches):
    arrays = random_arrays((2, 16, 5, 5), (24, 16, 3, 3))
    arrays[0][0, 3, 2, 2] = np.nan
    expected = generic(arrays, np.zeros((2, 24, 3, 3)))[0]
    with backends.use("emulator"):
        y, backward = conv_tensor.conv2d_relu(*map(as_nhwc, arrays), needs=EVERY,
                                              calls=chain(("conv", "relu"), (PLAIN, {})))
        dy = np.random.default_rng(2).standard_normal(y.shape).astype(np.float16)
        gradients = backward(as_nhwc(dy))
    actual = backends.get("emulator").to_numpy(y).astype(float)
    np.testing.assert_allclose(actual, np.where(expected <= 0, 0, expected), rtol=2.0**-9, atol=2.0**-9)
    assert len(launched) == 3
    for gradient, exact in zip(gradients, generic(arrays, np.where(actual <= 0, 0, dy))[1:]):
        np.testing.assert_allclose(backends.get("emulator").to_numpy(gradient).astype(float), exact,
                                   rtol=2.0**-9, atol=2.0**-9)


# -- what the emulator watches -------------------------------------------------------------------------------

@pytest.mark.parametrize("name", conv_tensor.TILINGS)
def test_no_tile_depends_on_the_schedule(name, monkeypatch, launched):
    monkeypatch.setattr(conv_tensor, "tiling", lambda *_: Choice(name, {}, False))
    arrays, attrs = random_arrays((1, 16, 5, 6), (40, 16, 3, 3)), {"stride": (2, 1)}
    before, dy = run(arrays, **attrs)
    for order, seed in (("reversed", 0), ("skewed", 1), ("skewed", 2)):
        with schedule(order, seed):
            assert bits(run(arrays, dy, **attrs)[0]) == bits(before), order


@pytest.mark.heavy
@pytest.mark.parametrize("name", conv_tensor.TILINGS)
def test_no_tile_has_a_race_or_wastes_sectors_or_banks(name, monkeypatch):
    monkeypatch.setattr(conv_tensor, "tiling", lambda *_: Choice(name, {}, False))
    arrays, attrs = random_arrays((1, 32, 4, 32), (64, 32, 3, 3)), {"padding": SAME}
    before, dy = run(arrays, **attrs)
    with traced():
        assert bits(run(arrays, dy, **attrs)[0]) == bits(before)
    with counted() as traffic:
        run(arrays, dy, **attrs)
    packing, = (t for t in traffic if t.kernel.startswith("conv2d_pack_columns"))
    assert (packing.loads, packing.stores, packing.shared_loads, packing.shared_stores) == (1, 1, 1, 1)
    products = [t for t in traffic if t.kernel.startswith("conv2d_tensor<")]
    assert len(products) == 2
    for product in products:
        assert (product.shared_loads, product.stores, product.written) == (1, 1, 1), product
        assert product.shared_stores <= 1.01
        assert product.loads <= 1.01
    weights, = (t for t in traffic if t.kernel.startswith("conv2d_tensor_weight"))
    assert weights.shared_loads <= 1.01
    assert weights.shared_stores <= 1.02
    assert weights.loads <= 1.05
