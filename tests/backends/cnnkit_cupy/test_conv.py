"""Convolution on CUDA: each shape's kernel, the same bits from every tile, layouts, phases, numbering."""

import functools

import numpy as np
import pytest
from chains import chain
from cnnkit_cupy import conv, launcher
from cnnkit_cupy.choice import Choice
from cnnkit_cupy.launcher import contiguous
from cnnkit_cupy.parameters import pack
from cnnkit_cupy.sources import source, structure
from emulated_convolution import EVERY, PLAIN, SAME, as_nhwc, bits, generic, run_kernel

from cnnkit import backends, conformance

HERE = next(row for row in backends.list() if row.name == "emulator")
pytestmark = pytest.mark.skipif(not HERE.available, reason=HERE.reason)
NONE = ((0, 0), (0, 0))


@pytest.fixture
def launched(launches):
    """The kernels of ``conv.cu`` that are launched, in order: name and grid."""
    return launches["conv"]


def random_arrays(x, weight, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in (x, weight, weight[:1])]


run = functools.partial(run_kernel, conv.conv2d)


def assert_right(got, arrays, dy, **attrs):
    close = 1e-4 if arrays[0].dtype == np.float32 else 1e-2
    for name, actual, expected in zip(("y", "dx", "dweight", "dbias"), got, generic(arrays, dy, **attrs)):
        actual = backends.get("emulator").to_numpy(actual).astype(np.float64)
        np.testing.assert_allclose(actual, expected, rtol=close,
                                   atol=close * max(1, np.abs(expected).max(initial=0)), err_msg=name)


@pytest.mark.heavy
def test_the_tiled_product_passes_every_case_of_convolution(tiled):
    report = conformance.run(tiled, ["conv", "conv+relu"])
    assert report.ok, "\n".join(report.lines())
    native = [outcome for outcome in report.outcomes if outcome.served == ("native", tiled)]
    assert len(native) > 40


@pytest.mark.parametrize(("x", "weight", "make", "attrs", "names"), [
    ((2, 8, 5, 5), (8, 8, 3, 3), as_nhwc, {}, ("Small, vector", "Small, vector", "Small, vector")),
    ((2, 8, 5, 5), (8, 8, 3, 3), None, {}, ("Small, scalar", "Small, scalar", "Small, scalar")),
    ((2, 8, 5, 5), (8, 8, 1, 1), as_nhwc, {}, ("Small, pointwise", "Small, pointwise", "Small, vector")),
    ((2, 8, 5, 5), (8, 8, 1, 1), as_nhwc, {"stride": (2, 2)},
     ("Small, vector", "Small, vector", "Small, vector")),
    ((2, 8, 5, 5), (8, 8, 1, 1), as_nhwc, {"padding": SAME},
     ("Small, vector", "Small, vector", "Small, vector")),
    ((2, 3, 5, 5), (8, 3, 3, 3), as_nhwc, {}, ("Small, scalar", "Small, vector", "Small, scalar")),
    ((2, 8, 5, 5), (7, 8, 3, 3), as_nhwc, {}, ("Small, vector", "Small, scalar", "Small, scalar")),
    ((2, 8, 5, 5), (8, 1, 3, 3), as_nhwc, {"groups": 8}, ("Small, scalar", "Small, scalar", "Small, scalar")),
    ((2, 8, 5, 5), (8, 4, 3, 3), as_nhwc, {"groups": 2}, ("Small, vector", "Small, vector", "Small, vector")),
    ((2, 4, 7, 7), (4, 4, 6, 5), as_nhwc, {"padding": SAME},
     ("Narrow, vector", "Narrow, vector", "Small, vector")),
    ((2, 4, 8, 8), (4, 4, 8, 8), as_nhwc, {"padding": SAME},
     ("Small, scalar", "Small, scalar", "Small, vector")),
], ids=["vectors", "nchw", "1x1", "1x1-strided", "1x1-padded", "odd-in", "odd-out", "depthwise",
        "groups", "30-taps", "64-taps"])
def test_the_instance_that_a_shape_gets(launched, x, weight, make, attrs, names):
    arrays = random_arrays(x, weight)
    got, dy = run(arrays, make=make or backends.get("emulator").asarray, **attrs)
    assert_right(got, arrays, dy, **attrs)
    forward, input_gradient, weight_gradient = names
    assert [name for name, _ in launched] == [
        *["conv2d_pack<float>"] * ("pointwise" not in forward), f"conv2d<float, {forward}>",
        f"conv2d<float, {input_gradient}>", f"conv2d_weight_gradient<float, {weight_gradient}>"]


TILED = {  # more than a tile and a rest each way, for the largest tile
    "windows": ((1, 16, 12, 14), (136, 16, 3, 2), {"padding": ((1, 0), (2, 1))}),
    "pointwise": ((3, 136, 7, 7), (132, 136, 1, 1), {}),
    "groups-strided": ((2, 32, 15, 13), (48, 16, 3, 3),
                       {"groups": 2, "stride": (2, 1), "padding": SAME, "dilation": (1, 2)}),
}


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", TILED)
def test_every_tile_is_right_and_gives_the_same_bits(case, dtype, launched, monkeypatch):
    x, weight, attrs = TILED[case]
    arrays, results = random_arrays(x, weight, dtype), {}
    for name in conv.TILINGS:
        monkeypatch.setattr(conv, "tiling", lambda *_, name=name: Choice(name, {}, False))
        launcher.forget()
        got, dy = run(arrays, **attrs)
        assert_right(got, arrays, dy, **attrs)
        results[name] = bits(got)[:2]  # the weight's gradient has tiles of its own choice
        assert any(f", {name}, " in n for n, _ in launched)
    got, _ = run(arrays, make=backends.get("emulator").asarray, **attrs)  # element by element
    assert "scalar" in launched[-2][0]
    assert all(result == bits(got)[:2] for result in results.values())


@pytest.mark.parametrize(("weight", "name"),
                         [((136, 16, 3, 3), "Large"), ((40, 16, 3, 3), "Square"), ((16, 16, 1, 3), "Small")])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_weight_gradients_of_every_tile_are_right_in_slices_too(weight, name, dtype, launched, monkeypatch):
    monkeypatch.setattr(conv, "SHORTEST", 40)
    arrays, attrs = random_arrays((2, 16, 9, 8), weight, dtype), {"padding": SAME, "stride": (1, 2)}
    got, dy = run(arrays, **attrs)
    assert_right(got, arrays, dy, **attrs)
    name_and_grid = next(c for c in launched if "weight_gradient" in c[0])
    assert f", {name}, vector" in name_and_grid[0]
    assert name_and_grid[1][2] == conv._ceil(dy.shape[0] * dy.shape[2] * dy.shape[3], 40) > 1
    before = bits(got)
    assert bits(run(arrays, **attrs)[0]) == before


@pytest.mark.parametrize("weight", [(16, 128, 2, 2), (16, 96, 1, 1), (6, 72, 1, 2)])
@pytest.mark.parametrize("shortest", [4, 1024])
def test_weight_gradients_of_channels_that_several_blocks_have_are_right(weight, shortest, monkeypatch):
    monkeypatch.setattr(conv, "SHORTEST", shortest)
    arrays = random_arrays((1, weight[1], 3, 3), weight)
    got, dy = run(arrays)
    assert_right(got, arrays, dy)


def test_an_images_bits_do_not_depend_on_the_batch():
    arrays = random_arrays((5, 8, 9, 7), (12, 8, 3, 3))
    got, dy = run(arrays, padding=SAME, stride=(2, 1))
    alone, _ = run([arrays[0][3:4], *arrays[1:]], dy[3:4], padding=SAME, stride=(2, 1))
    to_numpy = backends.get("emulator").to_numpy
    np.testing.assert_array_equal(to_numpy(got[0])[3], to_numpy(alone[0])[0])
    np.testing.assert_array_equal(to_numpy(got[1])[3], to_numpy(alone[1])[0])


@pytest.mark.parametrize("name", conv.TILINGS)
def test_no_tile_depends_on_the_schedule_or_has_a_race(name, monkeypatch):
    from cnnkit_emulator.device import schedule, traced

    monkeypatch.setattr(conv, "tiling", lambda *_: Choice(name, {}, False))
    for dtype in ("float32", "float16"):  # two tiles in turn, and one
        arrays, attrs = random_arrays((1, 16, 5, 6), (40, 16, 2, 2), dtype), {"stride": (2, 1)}
        before, dy = run(arrays, **attrs)
        for order, seed in (("reversed", 0), ("skewed", 1), ("skewed", 2)):
            with schedule(order, seed):
                assert bits(run(arrays, dy, **attrs)[0]) == bits(before), order
        with traced():
            assert bits(run(arrays, dy, **attrs)[0]) == bits(before)


@pytest.mark.heavy
@pytest.mark.parametrize("name", conv.TILINGS)
def test_vectors_waste_neither_sectors_nor_banks(name, monkeypatch):
    from cnnkit_emulator.device import counted

    monkeypatch.setattr(conv, "tiling", lambda *_: Choice(name, {}, False))
    for dtype in ("float32", "float16"):
        with counted() as launches:
            run(random_arrays((1, 32, 4, 8), (64, 32, 3, 3), dtype), padding=SAME)
        forward, input_gradient, weight_gradient = (t for t in launches
                                                    if f", {name}, " in t.kernel or "weight" in t.kernel)
        assert forward.loads < 1.1  # with the bias, of which every block reads little
        assert (input_gradient.loads, input_gradient.stores, input_gradient.written) == (1, 1, 1)
        assert (weight_gradient.loads, weight_gradient.stores) == (1, 1)
        assert 0.99 < weight_gradient.written <= 1  # of what it may write, the counters are not all used
        for traffic in (forward, input_gradient, weight_gradient):
            assert traffic.shared_loads == 1


def test_outputs_have_their_channels_last_whatever_the_inputs_layout():
    emulator = backends.get("emulator")
    for make in (as_nhwc, emulator.asarray):
        (y, dx, dweight, dbias), _ = run(random_arrays((2, 8, 5, 4), (6, 8, 3, 3)), make=make)
        assert contiguous(y, channels_last=True)
        assert contiguous(dx, channels_last=True)
        assert contiguous(dweight)
        assert contiguous(dbias)


@pytest.mark.parametrize("x", [(0, 8, 5, 5), (2, 8, 1, 1), (1, 4, 1, 6)])
def test_nothing_and_single_pixels(x):
    arrays = random_arrays(x, (4, x[1], 3, 3))
    got, dy = run(arrays, padding=SAME)
    assert_right(got, arrays, dy, padding=SAME)


def test_a_view_that_is_not_aligned_is_read_element_by_element(launched):
    emulator, arrays = backends.get("emulator"), random_arrays((2, 8, 5, 5), (4, 8, 3, 3))

    def make(array):
        if array.ndim != 4:
            return emulator.asarray(array)
        wider = emulator.asarray(np.concatenate([array[:, :1], array], axis=1).transpose(0, 2, 3, 1))
        return emulator.namespace.permute_dims(wider, (0, 3, 1, 2))[:, 1:]
    got, dy = run(arrays, make=make)
    assert_right(got, arrays, dy)
    assert launched[1][0] == "conv2d<float, Small, scalar>"


def test_filters_are_packed_again_for_a_gradient_that_lies_in_another_order(launched, monkeypatch):
    monkeypatch.setattr(conv, "tiling", lambda *_: Choice("Large", {}, False))
    emulator, arrays = backends.get("emulator"), random_arrays((2, 8, 5, 5), (8, 8, 3, 3))
    for make, packs in ((as_nhwc, 1), (emulator.asarray, 2)):
        launched.clear()
        with backends.use("emulator"):
            y, backward = conv.conv2d(*map(as_nhwc, arrays), needs=EVERY, **PLAIN)
            dy = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
            assert_right([y, *backward(make(dy))], arrays, dy)
        assert sum("pack" in name for name, _ in launched) == packs


@pytest.mark.parametrize(("x", "kernel", "attrs"), [
    ((2, 4, 9, 8), (3, 3), {"stride": (2, 2), "padding": SAME}),
    ((1, 4, 11, 12), (2, 2), {"stride": (3, 4)}),
    ((1, 4, 13, 12), (3, 4), {"stride": (2, 4), "dilation": (4, 2), "padding": ((1, 2), (0, 3))}),
    ((1, 4, 9, 10), (1, 1), {"stride": (3, 2), "padding": ((1, 0), (0, 1))}),
    ((1, 4, 3, 2), (2, 2), {"stride": (7, 5), "padding": ((2, 1), (1, 3))}),
    ((1, 4, 10, 9), (4, 5), {"stride": (2, 3), "dilation": (1, 2), "groups": 2, "padding": ((5, 4), (6, 7))}),
], ids=["same", "larger-than-kernel", "dilation-has-a-divisor", "1x1", "larger-than-image",
        "padding-larger-than-kernel"])
def test_a_strided_input_gradient_is_one_launch_of_dense_phases(launched, x, kernel, attrs):
    arrays = random_arrays(x, (6, x[1] // attrs.get("groups", 1), *kernel))
    got, dy = run(arrays, **attrs)
    assert_right(got, arrays, dy, **attrs)
    _, (_, _, z) = [launch for launch in launched if launch[0].startswith("conv2d<")][1]
    assert z == min(attrs["stride"][0], x[2]) * min(attrs["stride"][1], x[3]) * attrs.get("groups", 1)


def test_infinite_weights_reach_the_pixels_that_their_taps_touch():
    arrays = random_arrays((1, 4, 6, 5), (4, 4, 3, 3))
    arrays[1][0, :, 0, 2], arrays[1][1, 2, 2, 0], arrays[1][2, 0, 1, 1] = np.inf, -np.inf, np.nan
    for attrs in ({}, {"padding": SAME}, {"padding": SAME, "stride": (2, 2)}):
        for make in (as_nhwc, backends.get("emulator").asarray):
            got, dy = run(arrays, make=make, **attrs)
            with np.errstate(invalid="ignore"):
                expected = generic(arrays, dy, **attrs)
            for actual, exact in zip(got, expected):
                np.testing.assert_allclose(backends.get("emulator").to_numpy(actual),
                                           exact, rtol=1e-4, atol=1e-4)
        assert np.isnan(expected[1]).any()
        assert not np.isnan(expected[1]).all()


def test_with_relu_the_forward_is_the_same_two_launches_and_the_backward_one_more(launched):
    emulator, arrays = backends.get("emulator"), random_arrays((2, 8, 5, 5), (8, 8, 3, 3))
    arrays[0][0, 3, 2, 2] = np.nan
    expected = generic(arrays, np.zeros((2, 8, 3, 3)))[0]
    with backends.use("emulator"):
        y, backward = conv.conv2d_relu(*map(as_nhwc, arrays), needs=EVERY,
                                       calls=chain(("conv", "relu"), (PLAIN, {})))
        assert len(launched) == 2
        dy = np.random.default_rng(2).standard_normal(y.shape).astype(np.float32)
        gradients = backward(emulator.asarray(dy))  # dy in another order than y
    np.testing.assert_allclose(emulator.to_numpy(y), np.where(expected <= 0, 0, expected),
                               rtol=1e-4, atol=1e-4)
    assert launched[2][0] == "conv2d_relu_gradient<float>"
    assert len(launched) == 5
    masked = np.where(emulator.to_numpy(y) <= 0, 0, dy)
    for actual, exact in zip(gradients, generic(arrays, masked)[1:]):
        np.testing.assert_allclose(emulator.to_numpy(actual), exact, rtol=1e-4, atol=1e-4)


def test_gradients_that_nobody_needs_are_not_launched(launched):
    arrays = random_arrays((2, 8, 5, 5), (8, 8, 3, 3))
    for needs in ((False, False, False), (True, False, False), (False, True, False), (False, False, True)):
        launched.clear()
        got, _ = run(arrays, needs=needs)
        assert [g is not None for g in got[1:]] == [n for n in needs if any(needs)]
        assert len(launched) == 2 + any(needs)


@pytest.mark.parametrize(("x", "weight", "attrs"), [
    ((1, 1, 3, 3), (1, 1, 2, 2), {"dtype": "float64"}),
    ((1, 1, 2**16, 2**15), (1, 1, 1, 1), {}),                      # pixels of one image
    ((1, 1, 3, 3), (1, 1, 2, 2), {"padding": ((2**31, 0), (0, 0))}),
    ((1, 2**19, 1, 1), (1, 2**19, 1, 1), {}),                      # channels
    ((1, 2**16, 1, 1), (2**16, 1, 1, 1), {"groups": 2**16}),
    ((1, 1, 400, 400), (1, 1, 1, 1), {"stride": (300, 300)}),      # phases
])
def test_what_a_kernel_cannot_number_is_declined(x, weight, attrs):
    attrs = dict(attrs)
    dtype = np.dtype(attrs.pop("dtype", "float32"))
    array = backends.get("emulator").namespace.asarray([0.0])
    nowhere = [type(array)(np.broadcast_to(np.zeros((), dtype), shape)) for shape in (x, weight)]
    assert conv.conv2d(*nowhere, None, needs=(False,) * 3, **{**PLAIN, **attrs}) is NotImplemented


PROBE = """
__global__ void __launch_bounds__(1) probe(const long long* request, long long* results, Shape shape) {
    Place place;
    place.find(shape, static_cast<int>(request[0]), request[1]);
    const Pixel pixel = place.pixel(static_cast<int>(request[2]));
    results[0] = pixel.n, results[1] = pixel.h, results[2] = pixel.w;
    results[3] = place.rows, results[4] = place.result(pixel, shape);
    const Pixel direct = pixel_of(request[1] + request[2], place.vertical.pixels, place.horizontal.pixels);
    results[5] = direct.n == pixel.n && direct.h == pixel.h && direct.w == pixel.w;
}
"""


@pytest.mark.parametrize(("size", "gradient", "phase", "row"), [
    ((2**20, 64, 100, 90), 0, 0, 2**33 + 12345),      # rows beyond 2^32
    ((3, 4096, 40000, 40001), 0, 0, 4 * 10**9 + 77),  # elements beyond 2^42
    ((70000, 256, 301, 200), 1, 5, 6 * 10**8 + 1),    # a phase of a strided gradient
    ((2**31 - 2**17, 8, 2, 2), 0, 0, 2**33 - 2**20),
])
def test_rows_and_elements_beyond_2_to_the_31_are_found(size, gradient, phase, row):
    emulator = backends.get("emulator")
    N, K, P, Q = size
    stride = (2, 3) if gradient else (1, 1)
    shape = dict.fromkeys(structure("conv", "Shape").names, 1) | {
        "N": N, "P": P, "Q": Q, "K": K, "R": 3, "S": 3, "stride_h": stride[0],
        "stride_w": stride[1], "gradient": gradient,
        "phases_h": stride[0], "phases_w": stride[1]}
    results = emulator.cuda.empty((6,), "int64", None)
    for offset in (0, 100):
        arguments = [emulator.asarray(np.array([phase, row, offset])), results,
                     pack("shape", structure("conv", "Shape"), shape)]
        emulator.cuda.run(source("conv") + PROBE, ("probe",), "probe", (1, 1, 1), (1, 1, 1),
                          arguments, [False, True, False])
        a, b = divmod(phase, stride[1])
        height, width = -((a - P) // stride[0]), -((b - Q) // stride[1])
        n, remainder = divmod(row + offset, height * width)
        h, w = divmod(remainder, width)
        place = ((n * P + h * stride[0] + a) * Q + w * stride[1] + b) * K
        assert emulator.to_numpy(results).tolist() == [n, h, w, N * height * width - row, place, 1]
        assert max(row, place) > 2**31
