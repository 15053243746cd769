"""The pooling ops: against PyTorch and against loops."""

import itertools
from functools import partial

import numpy as np
import pytest
import reference_loops as loops
from against_torch import PLACES, Place, compare, run

from cnnkit.ops.adaptive_pool import adaptive_avg_pool, adaptive_max_pool, adaptive_max_pool_with_indices
from cnnkit.ops.pool import avg_pool, max_pool, max_pool_with_indices

NONE, SAME, ASYMMETRIC = ((0, 0), (0, 0)), ((1, 1), (1, 1)), ((1, 0), (0, 1))
CASES = {  # x, kernel_size, stride, padding, dilation, ceil_mode
    "2x2": ((2, 3, 6, 8), (2, 2), (2, 2), NONE, (1, 1), False),
    "2x2-odd": ((2, 3, 7, 9), (2, 2), (2, 2), NONE, (1, 1), False),
    "2x2-odd-ceil": ((2, 3, 7, 9), (2, 2), (2, 2), NONE, (1, 1), True),
    "overlapping": ((2, 3, 7, 8), (3, 3), (2, 2), SAME, (1, 1), False),
    "overlapping-ceil": ((2, 3, 8, 8), (3, 3), (2, 2), SAME, (1, 1), True),
    "stride-1": ((2, 3, 5, 6), (3, 2), (1, 1), SAME, (1, 1), False),
    "stride-larger-than-kernel": ((2, 3, 11, 12), (2, 3), (3, 5), NONE, (1, 1), False),
    "stride-larger-than-kernel-ceil": ((2, 3, 11, 12), (2, 2), (4, 5), SAME, (1, 1), True),
    "dilated": ((2, 3, 9, 10), (3, 2), (1, 2), SAME, (2, 3), False),
    "dilated-ceil": ((2, 3, 9, 10), (3, 2), (2, 2), SAME, (2, 3), True),
    "one-pixel": ((2, 3, 1, 1), (1, 1), (1, 1), NONE, (1, 1), False),
    "one-pixel-padded": ((2, 3, 1, 1), (2, 3), (1, 1), SAME, (1, 1), False),
    "global": ((2, 3, 5, 7), (5, 7), (1, 1), NONE, (1, 1), False),
    "large": ((1, 2, 20, 20), (17, 16), (1, 1), NONE, (1, 1), False),
    "batch-0": ((0, 3, 6, 8), (2, 2), (2, 2), NONE, (1, 1), False),
    "batch-1": ((1, 3, 6, 8), (2, 2), (2, 2), NONE, (1, 1), False),
}
ADAPTIVE = [((2, 3, 6, 8), (3, 2)), ((2, 3, 7, 10), (3, 4)), ((2, 3, 7, 10), (1, 1)), ((2, 3, 3, 5), (7, 5)),
            ((2, 3, 6, 7), (None, 3)), ((2, 3, 1, 1), (2, 1)), ((0, 3, 7, 8), (3, 3))]


def window(kernel_size, stride, padding, dilation, ceil_mode):
    return {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation,
            "ceil_mode": ceil_mode}


def average(kernel_size, stride, padding, dilation, ceil_mode, count_include_pad=True, divisor_override=None):
    return {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode,
            "count_include_pad": count_include_pad, "divisor_override": divisor_override}


def torch_functional():
    return pytest.importorskip("torch").nn.functional


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# -- maximum -------------------------------------------------------------------------------------------------

@pytest.mark.needs("torch")
@pytest.mark.parametrize("case", CASES)
def test_max_equals_pytorch(place, rng, case):
    F, (x, kernel, stride, padding, dilation, ceil) = torch_functional(), CASES[case]
    pads = tuple(p[0] for p in padding)
    outputs = compare(place, max_pool, lambda t: F.max_pool2d(t, kernel, stride, pads, dilation, ceil),
                      [rng.normal(size=x)], window(*CASES[case][1:]))
    assert len(outputs) == 1


def test_max_equals_pytorch_over_a_grid_of_windows(rng):
    F = torch_functional()
    for kernel, stride, pads, dilation, ceil in itertools.product(
            [(1, 2), (2, 2), (4, 3)], [(1, 1), (2, 2), (3, 4)], [(0, 0), (0, 1)],
            [(1, 1), (1, 2)], [False, True]):
        reference = partial(F.max_pool2d, kernel_size=kernel, stride=stride, padding=pads,
                            dilation=dilation, ceil_mode=ceil)
        attrs = window(kernel, stride, tuple((p, p) for p in pads), dilation, ceil)
        compare(Place("numpy"), max_pool, reference, [rng.normal(size=(2, 2, 9, 10))], attrs)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("case", ["overlapping-ceil", "dilated", "one-pixel-padded", "batch-0"])
def test_max_indices_equal_pytorch(place, rng, case):
    F, (x, kernel, stride, padding, dilation, ceil) = torch_functional(), CASES[case]
    pads, values = tuple(p[0] for p in padding), rng.integers(0, 4, size=x).astype(float)
    (y, indices), (dx,) = run(place, max_pool_with_indices, [values], window(*CASES[case][1:]))
    tensor = pytest.importorskip("torch").tensor(values, requires_grad=True)
    expected, expected_indices = F.max_pool2d(tensor, kernel, stride, pads, dilation, ceil,
                                              return_indices=True)
    expected.sum().backward()
    np.testing.assert_array_equal(y, expected.detach().numpy())
    np.testing.assert_array_equal(indices, expected_indices.numpy())
    np.testing.assert_array_equal(dx, tensor.grad.numpy())
    assert indices.dtype == np.int64


@pytest.mark.parametrize("attrs", [((3, 2), (2, 2), ((0, 1), (1, 0)), (1, 2), True)])
def test_max_equals_loops(anywhere, rng, attrs):
    x = rng.integers(0, 5, size=(2, 2, 6, 7)).astype(float)
    dy = rng.integers(1, 9, size=loops.max_pool2d(x, None, *attrs)[0].shape).astype(float)
    y, indices, dx = loops.max_pool2d(x, dy, *attrs)
    for op in (max_pool, max_pool_with_indices)[anywhere.name == "jax":]:
        outputs, gradients = run(anywhere, op, [x], window(*attrs), dy)
        np.testing.assert_array_equal(outputs[0], y)
        np.testing.assert_array_equal(gradients[0], dx)
    np.testing.assert_array_equal(outputs[1], indices)


@pytest.mark.parametrize("attrs", [((3, 3), (2, 2), ASYMMETRIC, (1, 1), False),
                                   ((2, 3), (1, 4), ((0, 1), (1, 1)), (1, 1), True)])
def test_max_with_asymmetric_padding_equals_loops(place, rng, attrs):
    x = rng.normal(size=(2, 2, 6, 7))
    dy = rng.normal(size=loops.max_pool2d(x, None, *attrs)[0].shape)
    y, _, dx = loops.max_pool2d(x, dy, *attrs)
    outputs, gradients = run(place, max_pool, [x], window(*attrs), dy)
    np.testing.assert_array_equal(outputs[0], y)
    np.testing.assert_allclose(gradients[0], dx, **place.close)


def test_max_ties_go_to_the_first_element(place):
    for attrs, size in ((window((2, 2), (2, 2), NONE, (1, 1), False), 2),
                        (window((3, 3), (3, 3), NONE, (1, 1), False), 3)):
        for first, second in itertools.combinations(itertools.product(range(size), repeat=2), 2):
            x = np.zeros((1, 1, size, size))
            x[0, 0, *first] = x[0, 0, *second] = 1
            _, (dx,) = run(place, max_pool, [x], attrs)
            assert np.argwhere(dx[0, 0]).tolist() == [list(first)]


@pytest.mark.parametrize("values", [[[1, np.nan], [3, 2]], [[np.nan, 5], [3, 2]], [[1, 2], [np.nan, np.nan]],
                                    [[np.inf, 2], [3, np.nan]], [[np.nan, np.nan], [-np.inf, 0]]])
def test_a_nan_wins_and_the_first_takes_the_gradient(place, values):
    x = np.stack([np.array(values, float), np.ones((2, 2))])[None]
    for attrs in (window((2, 2), (2, 2), NONE, (1, 1), False), window((2, 2), (2, 2), SAME, (1, 1), False)):
        y, indices, dx = loops.max_pool2d(x, np.ones(loops.max_pool2d(x, None, *attrs.values())[0].shape),
                                          *attrs.values())
        assert np.isnan(y[0, 0]).any()
        (values, positions), (gradient,) = run(place, max_pool_with_indices, [x], attrs)
        np.testing.assert_array_equal(values, y)
        np.testing.assert_array_equal(positions, indices)
        np.testing.assert_array_equal(gradient, dx)
        (values,), (gradient,) = run(place, max_pool, [x], attrs)
        np.testing.assert_array_equal(values, y)
        np.testing.assert_array_equal(gradient, dx)
        np.testing.assert_array_equal(run(place, max_pool, [x], attrs, needs=[False])[0][0], y)


def test_padding_is_never_the_maximum(place):
    x = np.full((1, 2, 3, 3), -np.inf)
    x[0, 1] = -7
    attrs = window((3, 3), (1, 1), SAME, (1, 1), False)
    y, indices, dx = loops.max_pool2d(x, np.ones(x.shape), *attrs.values())
    (values, positions), (gradient,) = run(place, max_pool_with_indices, [x], attrs)
    np.testing.assert_array_equal(values, y)
    np.testing.assert_array_equal(positions, indices)
    np.testing.assert_array_equal(gradient, dx)
    np.testing.assert_array_equal(run(place, max_pool, [x], attrs)[1][0], dx)


def test_a_window_of_nothing_but_padding_is_minus_infinity_and_has_no_gradient(place):
    x, attrs = np.ones((1, 1, 1, 1)), window((2, 2), (1, 1), ((2, 2), (2, 2)), (3, 3), False)
    (y, indices), (dx,) = run(place, max_pool_with_indices, [x], attrs)
    assert y.ravel().tolist() == [-np.inf] * 4
    assert indices.ravel().tolist() == [-1] * 4
    assert dx.ravel().tolist() == run(place, max_pool, [x], attrs)[1][0].ravel().tolist() == [0]


def test_an_infinite_gradient_stays_where_it_belongs(place):
    x, dy = np.arange(4.0).reshape(1, 1, 2, 2), np.full((1, 1, 1, 1), np.inf)
    _, (dx,) = run(place, max_pool, [x], window((2, 2), (2, 2), NONE, (1, 1), False), dy)
    assert dx.ravel().tolist() == [0, 0, 0, np.inf]


def test_max_saves_nothing_where_no_gradient_is_wanted(place):
    with place.tables():
        assert max_pool(place.array(np.zeros((1, 1, 2, 2))),
                        **window((2, 2), (2, 2), NONE, (1, 1), False))[1] is None


# -- average -------------------------------------------------------------------------------------------------

@pytest.mark.needs("torch")
@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("case", [c for c in CASES if "dilated" not in c])
def test_avg_equals_pytorch(place, rng, case, count_include_pad):
    F, (x, kernel, stride, padding, _, ceil) = torch_functional(), CASES[case]
    pads = tuple(p[0] for p in padding)
    compare(place, avg_pool, lambda t: F.avg_pool2d(t, kernel, stride, pads, ceil, count_include_pad),
            [rng.normal(size=x)], average(*CASES[case][1:], count_include_pad))


def test_avg_equals_pytorch_over_a_grid_of_windows(rng):
    F = torch_functional()
    for kernel, stride, pads, ceil, include, divisor in itertools.product(
            [(1, 2), (2, 2), (4, 3)], [(1, 1), (2, 2), (3, 4)], [(0, 0), (0, 1)], [False, True],
            [False, True], [None, 5]):
        reference = partial(F.avg_pool2d, kernel_size=kernel, stride=stride, padding=pads, ceil_mode=ceil,
                            count_include_pad=include, divisor_override=divisor)
        attrs = average(kernel, stride, tuple((p, p) for p in pads), (1, 1), ceil, include, divisor)
        compare(Place("numpy"), avg_pool, reference, [rng.normal(size=(2, 2, 9, 10))], attrs)


@pytest.mark.parametrize(("include", "divisor"), [(True, None), (False, None), (False, 3)])
def test_avg_equals_loops(anywhere, rng, include, divisor):
    x, attrs = rng.normal(size=(2, 2, 6, 7)), ((3, 2), (2, 2), ASYMMETRIC, (1, 1), True)
    kernel, stride, padding, _, ceil = attrs
    shape = loops.avg_pool2d(x, None, kernel, stride, padding, ceil, include, divisor)[0].shape
    dy = rng.normal(size=shape)
    y, dx = loops.avg_pool2d(x, dy, kernel, stride, padding, ceil, include, divisor)
    outputs, gradients = run(anywhere, avg_pool, [x], average(*attrs, include, divisor), dy)
    np.testing.assert_allclose(outputs[0], y, **anywhere.close)
    np.testing.assert_allclose(gradients[0], dx, **anywhere.close)


# -- adaptive ------------------------------------------------------------------------------------------------

@pytest.mark.needs("torch")
@pytest.mark.parametrize(("shape", "size"), ADAPTIVE)
def test_adaptive_equals_pytorch(place, rng, shape, size):
    F, x = torch_functional(), rng.normal(size=shape)
    compare(place, adaptive_avg_pool, lambda t: F.adaptive_avg_pool2d(t, size), [x], {"output_size": size})
    compare(place, adaptive_max_pool, lambda t: F.adaptive_max_pool2d(t, size), [x], {"output_size": size})
    outputs = compare(place, adaptive_max_pool_with_indices, lambda t: F.adaptive_max_pool2d(t, size),
                      [x], {"output_size": size})
    images = pytest.importorskip("torch").tensor(x)
    _, expected_indices = F.adaptive_max_pool2d(images, size, return_indices=True)
    np.testing.assert_array_equal(outputs[1], expected_indices.numpy())


@pytest.mark.parametrize(("op", "kind"), [(adaptive_avg_pool, "avg"), (adaptive_max_pool, "max")])
def test_adaptive_equals_loops(anywhere, rng, op, kind):
    if anywhere.name == "jax" and kind == "avg":
        pytest.skip("JAX takes a second to compile it, and max shows that the windows work there")
    x, dy = rng.integers(0, 4, size=(2, 2, 5, 6)).astype(float), rng.normal(size=(2, 2, 3, 4))
    y, dx = loops.adaptive_pool2d(x, dy, (3, 4), kind)
    outputs, gradients = run(anywhere, op, [x], {"output_size": (3, 4)}, dy)
    np.testing.assert_allclose(outputs[0], y, **anywhere.close)
    np.testing.assert_allclose(gradients[0], dx, **anywhere.close)


@pytest.mark.parametrize("size", [(1, 1), (2, 2)])
def test_adaptive_max_takes_the_first_nan(place, size):
    x = np.ones((1, 1, 3, 3))
    x[0, 0, 1, 0] = x[0, 0, 1, 1] = np.nan
    (y,), (dx,) = run(place, adaptive_max_pool, [x], {"output_size": size}, np.ones((1, 1, *size)))
    assert np.isnan(y[0, 0, 0, 0])
    assert dx[0, 0, 1, 0] == (1 if size == (1, 1) else 2)


def test_adaptive_average_keeps_infinity_in_its_own_windows(place):
    x = np.ones((1, 1, 5, 5))
    x[0, 0, 0, 0] = np.inf
    (y,), _ = run(place, adaptive_avg_pool, [x], {"output_size": (3, 3)})
    assert np.isinf(y).sum() == 1
    assert not np.isnan(y).any()


# -- all -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("op", "attrs"), [
    (max_pool, window((2, 2), (2, 2), NONE, (1, 1), False)),
    (max_pool_with_indices, window((2, 2), (2, 2), NONE, (1, 1), False)),
    (avg_pool, average((2, 2), (2, 2), NONE, (1, 1), False)),
    (adaptive_avg_pool, {"output_size": (2, 2)}),
    (adaptive_max_pool, {"output_size": (2, 2)}),
])
def test_integers_are_refused_with_the_fix(op, attrs):
    with pytest.raises(TypeError, match=r"needs floating-point numbers; got int64\. Convert with .*float32"):
        op(np.ones((1, 1, 4, 4), np.int64), **attrs)


def test_half_precision_averages_in_float32():
    x = np.full((1, 1, 64, 64), 100, np.float16)
    (y,), backward = avg_pool(x, needs=(True,), **average((64, 64), (64, 64), NONE, (1, 1), False))
    (z,), _ = adaptive_avg_pool(x, output_size=(1, 1))
    assert (y.dtype, y.item(), z.item(), backward(y)[0].dtype) == (np.float16, 100, 100, np.float16)


def test_a_divisor_of_zero_is_refused():
    with pytest.raises(ValueError, match="divisor_override=0"):
        avg_pool(np.ones((1, 1, 4, 4)), **average((2, 2), (2, 2), NONE, (1, 1), False, True, 0))


@pytest.mark.parametrize("op", [max_pool, avg_pool])
def test_padding_is_at_most_half_the_window(op):
    make = window if op is max_pool else average
    with pytest.raises(ValueError, match=f"{op.name}2d got padding=.*at most half"):
        op(np.ones((1, 1, 4, 4)), **make((3, 3), (1, 1), ((2, 2), (2, 2)), (1, 1), False))
