"""Convolution of float32 on tensor cores, in TF32 or by three products of it."""

import numpy as np
import pytest
from cnnkit_cupy import conv, conv_tensor, launcher
from cnnkit_cupy.choice import Choice
from cnnkit_emulator.device import counted, schedule, traced
from emulated_convolution import PLAIN, SAME, as_nhwc, bits, generic

import cnnkit
from cnnkit import backends
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


def rounded_to_tf32(array):
    """To the nearest number with 10 bits behind the point, ties away from zero."""
    return ((array.view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)


@pytest.mark.parametrize("case", TILED)
def test_float32_is_multiplied_as_tf32_where_that_is_chosen(case, launched, weight_gradients, monkeypatch):
    (x, weight, attrs), results = TILED[case], {}
    arrays = random_arrays(x, weight, "float32")
    exact = [rounded_to_tf32(arrays[0]), rounded_to_tf32(arrays[1]), arrays[2]]
    for name in conv_tensor.FLOATS:
        monkeypatch.setattr(conv_tensor, "tiling", lambda *_, name=name: Choice(name, {}, False))
        launcher.forget()
        with cnnkit.precision("tf32"):
            got, dy = run(arrays, **attrs)
        for actual, expected in ((got[0], generic(exact, dy, **attrs)[0]),
                                 (got[1], generic(exact, rounded_to_tf32(dy), **attrs)[1]),
                                 (got[2], generic(exact, rounded_to_tf32(dy), **attrs)[2])):
            np.testing.assert_allclose(backends.get("emulator").to_numpy(actual), expected,
                                       rtol=2e-5, atol=5e-5)
        results[name] = bits(got)[:2]
        assert sum(f"<float, {name}>" in n for n, _ in launched) == 2
    assert len(set(map(tuple, results.values()))) == 1
    assert len(weight_gradients) == 2


@pytest.mark.parametrize("level", ["tf32", "tf32x3"])
@pytest.mark.parametrize("weight", [(136, 16, 3, 3), (68, 36, 2, 3), (24, 136, 1, 1), (12, 4, 2, 2)])
def test_float32_weight_gradients_of_every_tile_have_the_same_bits(weight, level, weight_gradients,
                                                                   monkeypatch):
    monkeypatch.setattr(conv, "SHORTEST", 40)
    arrays, results = random_arrays((2, weight[1], 9, 8), weight, "float32"), []
    attrs = {"padding": SAME, "stride": (1, 2)}
    for name in conv_tensor.WEIGHT_TILINGS[4]:
        weight_gradients.clear()
        monkeypatch.setattr(conv_tensor, "weight_tiling", lambda *_, name=name: name)
        launcher.forget()
        with cnnkit.precision(level):
            got, dy = run(arrays, **attrs)
        (launch, grid), = weight_gradients
        assert launch == f"conv2d_tensor_weight_gradient<float, {name}{'3' * (level == 'tf32x3')}>"
        assert grid[2] == -(-dy.shape[0] * dy.shape[2] * dy.shape[3] // 40) > 1
        exact = (arrays, dy) if level == "tf32x3" else (
            [rounded_to_tf32(arrays[0]), *arrays[1:]], rounded_to_tf32(dy))
        np.testing.assert_allclose(backends.get("emulator").to_numpy(got[2]), generic(*exact, **attrs)[2],
                                   rtol=1e-5, atol=4e-5)
        results.append(bits(got[2:]))
        for order in (("reversed", 0), ("skewed", 1)):
            with schedule(*order), cnnkit.precision(level):
                assert bits(run(arrays, dy, **attrs)[0][2:]) == results[-1]
    assert results[0] == results[1]


def test_a_float32_weight_gradient_alone_is_rounded_where_that_is_chosen(weight_gradients):
    x, weight, _ = random_arrays((2, 16, 5, 5), (24, 16, 3, 3), "float32")
    dy = np.random.default_rng(1).standard_normal((2, 24, 3, 3)).astype(np.float32)
    for level, expected in (("tf32", generic((rounded_to_tf32(x), weight, weight[:, 0, 0, 0]),
                                             rounded_to_tf32(dy))[2]),
                            ("tf32x3", generic((x, weight, weight[:, 0, 0, 0]), dy)[2])):
        with cnnkit.precision(level):
            gradient, _ = conv_tensor.conv2d_filters(as_nhwc(x), as_nhwc(dy), needs=(False, False),
                                                     kernel_size=(3, 3), **PLAIN)
        np.testing.assert_allclose(backends.get("emulator").to_numpy(gradient), expected, rtol=1e-5,
                                   atol=2e-5)
    assert [name.split(", ")[1] for name, _ in weight_gradients] == ["TensorTall>", "TensorTall3>"]
    assert conv_tensor.conv2d_filters(as_nhwc(x), as_nhwc(dy), needs=(False, False), kernel_size=(3, 3),
                                      **PLAIN) is NotImplemented


@pytest.mark.parametrize("level", ["tf32", "tf32x3"])
def test_infinities_and_nan_stay_what_they_are_in_weight_gradients(level, weight_gradients):
    arrays = random_arrays((1, 16, 6, 5), (16, 16, 3, 3), "float32")
    x, dy = arrays[0], np.random.default_rng(1).standard_normal((1, 16, 4, 3)).astype(np.float32)
    x[0, 3, 2, 2], x[0, 7, 2, 2], dy[0, 2, 1, 1], dy[0, 5, 3, 2] = np.inf, -np.inf, np.inf, 1
    x[0, 9, 0, 0] = np.uint32(0x7FFFFFFF).view(np.float32)   # a GPU's NaN,
    x[0, 11, 5, 4] = np.uint32(0xFFFFFFFF).view(np.float32)  # and its negative
    with cnnkit.precision(level):
        got, _ = run(arrays, dy)
    with np.errstate(invalid="ignore"):
        expected = generic(arrays, dy)[2]
    assert np.isinf(expected).any()
    assert np.isnan(expected).any()
    np.testing.assert_allclose(backends.get("emulator").to_numpy(got[2]), expected, rtol=2.0**-7,
                               atol=2.0**-6)


def test_float32_is_not_rounded_unless_that_is_chosen(launches):
    arrays = random_arrays((2, 16, 5, 5), (40, 16, 3, 3), "float32")
    with cnnkit.use("emulator"):
        for level, module in (("fast", "conv"), ("strict", "conv"), ("tf32", "conv_tensor")):
            launches.clear()
            with cnnkit.precision(level):
                OPS["conv"](*map(as_nhwc, arrays), needs=(False,) * 3, **PLAIN)
            assert set(launches) == {module}


@pytest.mark.parametrize("case", TILED)
def test_three_products_are_about_as_exact_as_float32(case, launched, monkeypatch):
    (x, weight, attrs), results = TILED[case], []
    arrays = random_arrays(x, weight, "float32")
    for name in conv_tensor.FLOATS:
        monkeypatch.setattr(conv_tensor, "tiling", lambda *_, name=name: Choice(name, {}, False))
        launcher.forget()
        with cnnkit.precision("tf32x3"):
            got, dy = run(arrays, **attrs)
        for actual, exact in zip(got, generic(arrays, dy, **attrs)):
            np.testing.assert_allclose(backends.get("emulator").to_numpy(actual), exact, rtol=2e-6, atol=4e-5)
        results.append(bits(got)[:2])
        assert sum(f"<float, {name}3>" in n for n, _ in launched) == 2
    assert results[0] == results[1]


@pytest.mark.parametrize("level", ["tf32", "tf32x3"])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_infinities_and_nan_stay_what_they_are_in_tf32(level, stride, launched):
    arrays = random_arrays((1, 16, 6, 5), (16, 16, 3, 3), "float32")
    arrays[0][0, 3, 2, 2], arrays[0][0, 5, 4, 4], arrays[1][0, 0, 0, 0] = np.nan, np.inf, -np.inf
    arrays[1][3, 4, 1, 1] = 1
    with cnnkit.precision(level):
        got, dy = run(arrays, padding=SAME, stride=stride)
    with np.errstate(invalid="ignore"):
        expected = generic(arrays, dy, padding=SAME, stride=stride)
    assert np.isinf(expected[0]).any()
    for actual, exact in zip(got[:2], expected):
        np.testing.assert_allclose(backends.get("emulator").to_numpy(actual), exact,
                                   rtol=2.0**-7, atol=2.0**-6)


@pytest.mark.heavy
@pytest.mark.parametrize("level", ["tf32", "tf32x3"])
@pytest.mark.parametrize("name", conv_tensor.WEIGHT_TILINGS[4])
def test_no_float32_weight_gradient_has_a_race_or_wastes_sectors_or_banks(name, level, monkeypatch):
    monkeypatch.setattr(conv_tensor, "weight_tiling", lambda *_: name)
    launcher.forget()
    arrays, attrs = random_arrays((1, 32, 4, 32), (128, 32, 2, 2), "float32"), {"padding": SAME}
    with cnnkit.precision(level):
        before, dy = run(arrays, needs=(False, True, False), **attrs)
        with traced():
            assert bits(run(arrays, dy, needs=(False, True, False), **attrs)[0][2:3]) == bits(before[2:3])
        with counted() as traffic:
            run(arrays, dy, needs=(False, True, False), **attrs)
    weights, = (t for t in traffic if t.kernel.startswith("conv2d_tensor_weight_gradient<float, "))
    assert weights.shared_loads <= 1.01
    assert weights.shared_stores <= 1.02
    assert weights.loads <= 1.05
    assert weights.stores <= 1.05
