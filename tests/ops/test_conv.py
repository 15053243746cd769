"""The convolution op: against PyTorch and against loops."""

import itertools

import numpy as np
import pytest
import reference_loops as loops
from against_torch import PLACES, Place, compare, run

from cnnkit.ops.conv import conv

NONE, SAME = ((0, 0), (0, 0)), ((1, 1), (1, 1))
ASYMMETRIC = ((2, 0), (1, 3))
CASES = {  # x, weight, stride, padding, dilation, groups
    "plain": ((2, 3, 6, 7), (4, 3, 3, 3), (1, 1), NONE, (1, 1), 1),
    "same": ((2, 3, 6, 7), (4, 3, 3, 3), (1, 1), SAME, (1, 1), 1),
    "many-channels": ((2, 9, 16, 20), (2, 9, 3, 3), (1, 1), SAME, (1, 1), 1),
    "many-filters": ((2, 1, 16, 20), (9, 1, 3, 3), (1, 1), SAME, (1, 1), 1),
    "1x1": ((2, 5, 4, 3), (4, 5, 1, 1), (1, 1), NONE, (1, 1), 1),
    "1x1-padded": ((2, 5, 4, 3), (4, 5, 1, 1), (1, 1), ASYMMETRIC, (1, 1), 1),
    "1x1-strided": ((2, 5, 7, 8), (4, 5, 1, 1), (2, 3), NONE, (1, 1), 1),
    "asymmetric-padding": ((2, 3, 5, 6), (4, 3, 3, 2), (1, 1), ASYMMETRIC, (1, 1), 1),
    "padding-wider-than-kernel": ((1, 2, 4, 4), (2, 2, 2, 2), (1, 1), ((3, 4), (4, 3)), (1, 1), 1),
    "strided": ((2, 3, 9, 8), (4, 3, 3, 3), (2, 2), SAME, (1, 1), 1),
    "stride-larger-than-kernel": ((2, 3, 11, 12), (4, 3, 2, 2), (3, 4), NONE, (1, 1), 1),
    "strides-differ": ((2, 3, 9, 8), (4, 3, 2, 3), (1, 3), ASYMMETRIC, (1, 1), 1),
    "dilated": ((2, 3, 9, 10), (4, 3, 3, 3), (1, 1), SAME, (2, 3), 1),
    "dilated-strided": ((2, 3, 9, 10), (4, 3, 2, 3), (2, 1), ASYMMETRIC, (3, 2), 1),
    "groups": ((2, 6, 6, 7), (4, 3, 3, 3), (1, 1), SAME, (1, 1), 2),
    "groups-strided-dilated": ((2, 6, 9, 7), (9, 2, 2, 3), (2, 1), ASYMMETRIC, (2, 1), 3),
    "depthwise": ((2, 5, 12, 11), (5, 1, 3, 3), (1, 1), SAME, (1, 1), 5),
    "depthwise-two-filters-each": ((2, 3, 6, 5), (6, 1, 3, 3), (2, 2), SAME, (1, 1), 3),
    "one-pixel": ((2, 3, 1, 1), (4, 3, 1, 1), (1, 1), NONE, (1, 1), 1),
    "one-pixel-padded": ((2, 3, 1, 1), (4, 3, 3, 3), (1, 1), SAME, (1, 1), 1),
    "kernel-as-large-as-image": ((2, 3, 5, 7), (4, 3, 5, 7), (1, 1), NONE, (1, 1), 1),
    "batch-1": ((1, 3, 6, 7), (4, 3, 3, 3), (1, 1), SAME, (1, 1), 1),
    "batch-0": ((0, 3, 6, 7), (4, 3, 3, 3), (1, 1), SAME, (1, 1), 1),
}


def attributes(stride, padding, dilation, groups):
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def torch_conv2d(stride, padding, dilation, groups):
    functional = pytest.importorskip("torch").nn.functional

    def reference(x, weight, bias):
        return functional.conv2d(functional.pad(x, (*padding[1], *padding[0])), weight, bias,
                                 stride, 0, dilation, groups)
    return reference


@pytest.mark.needs("torch")
@pytest.mark.parametrize("case", CASES)
def test_equals_pytorch(place, rng, case):
    x, weight, *attrs = CASES[case]
    arrays = [rng.normal(size=x), rng.normal(size=weight),
              rng.normal(size=weight[0]) if case != "strided" else None]
    compare(place, conv, torch_conv2d(*attrs), arrays, attributes(*attrs))


def test_equals_pytorch_over_a_grid_of_windows(rng):
    place = Place("numpy")
    for kernel, stride, padding, dilation, groups in itertools.product(
            [(1, 2), (3, 3)], [(1, 1), (2, 3)], [NONE, SAME, ASYMMETRIC], [(1, 1), (2, 1)], [1, 2]):
        attrs = stride, padding, dilation, groups
        arrays = [rng.normal(size=(2, 4, 7, 13)),
                  rng.normal(size=(2, 4 // groups, *kernel)), rng.normal(size=2)]
        compare(place, conv, torch_conv2d(*attrs), arrays, attributes(*attrs))


@pytest.mark.parametrize("case", ["groups-strided-dilated"])  # one case: JAX takes two seconds to compile it
def test_equals_loops(anywhere, rng, case):
    x, weight, *attrs = CASES[case]
    x, weight, bias = rng.normal(size=x), rng.normal(size=weight), rng.normal(size=weight[0])
    dy = rng.normal(size=loops.conv2d(x, weight, bias, None, *attrs)[0].shape)
    expected = loops.conv2d(x, weight, bias, dy, *attrs)
    outputs, gradients = run(anywhere, conv, [x, weight, bias], attributes(*attrs), dy)
    for actual, reference in zip([*outputs, *gradients], expected):
        np.testing.assert_allclose(actual, reference, **anywhere.close)


def test_a_gradient_that_is_one_number_spread_out_is_taken_as_it_is(place, rng):
    x, weight = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(2, 3, 3, 3))
    attrs = (1, 1), SAME, (1, 1), 1
    expected = loops.conv2d(x, weight, None, np.ones((2, 2, 5, 6)), *attrs)
    _, gradients = run(place, conv, [x, weight, None], attributes(*attrs))
    np.testing.assert_allclose(gradients[0], expected[1], **place.close)
    np.testing.assert_allclose(gradients[1], expected[2], **place.close)
    assert gradients[2] is None


@pytest.mark.parametrize("needed", [0, 1, 2])
def test_each_gradient_can_be_had_alone(place, rng, needed):
    arrays = [rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)]
    attrs = attributes((1, 1), SAME, (1, 1), 1)
    _, every = run(place, conv, arrays, attrs)
    _, alone = run(place, conv, arrays, attrs, needs=[n == needed for n in range(3)])
    np.testing.assert_array_equal(alone[needed], every[needed])
    assert [g is None for g in alone] == [n != needed for n in range(3)]


def test_nothing_is_held_where_no_gradient_is_wanted(place, rng):
    arrays = [place.array(rng.normal(size=s)) for s in ((2, 3, 5, 6), (4, 3, 3, 3), (4,))]
    with place.tables():
        assert conv(*arrays, **attributes((1, 1), SAME, (1, 1), 1))[1] is None


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)])
def test_backward_holds_only_what_it_reads(rng, needs):
    x, weight, bias = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    with Place("generic").tables():
        _, backward = conv(x, weight, bias, needs=needs, **attributes((1, 1), SAME, (1, 1), 1))
    held = [cell.cell_contents for cell in backward.__closure__]
    held = [h for h in held if isinstance(h, np.ndarray)]
    assert all(any(h is array for array, needed in zip((weight, x), needs) if needed) for h in held)
    assert len(held) == needs[0] + needs[1]


def test_half_precision_is_summed_up_in_float32(rng):
    x, weight = rng.normal(size=(1, 64, 3, 3)), rng.normal(size=(2, 64, 3, 3))
    attrs = attributes((1, 1), NONE, (1, 1), 1)
    half = [x.astype(np.float16), weight.astype(np.float16), None]
    (y,), backward = conv(*half, needs=(True, True, False), **attrs)
    expected = loops.conv2d(half[0], half[1], None, None, (1, 1), NONE, (1, 1), 1)[0]
    assert [a.dtype for a in (y, *backward(y)[:2])] == [np.float16] * 3
    np.testing.assert_allclose(y, expected, rtol=1e-3)


def test_a_1x1_convolution_maps_each_pixel_linearly(place, rng):
    x, weight = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 3, 1, 1))
    (y,), _ = run(place, conv, [x, weight, None], attributes((1, 1), NONE, (1, 1), 1))
    assert y.shape == (2, 6, 4, 5)
    np.testing.assert_allclose(y[1, :, 2, 3], weight[:, :, 0, 0] @ x[1, :, 2, 3])


ZEROS = {"x": np.zeros((2, 3, 5, 5), "f"), "weight": np.zeros((4, 3, 3, 3), "f"), "bias": np.zeros(4, "f")}


@pytest.mark.parametrize(("changed", "error", "message"), [
    ({"x": np.zeros((2, 1, 5, 5), "f")}, ValueError, "the input has 1 channel, but the weight takes 3"),
    ({"x": np.zeros((2, 3, 2, 5), "f")}, ValueError, "kernel is larger than the padded input"),
    ({"x": np.zeros((2, 3, 5, 5))}, TypeError,
     r"needs one dtype; input, weight and bias are float64, float32, float32\. Convert"),
    ({"x": np.zeros((2, 3, 5, 5), "i")}, TypeError,
     r"conv2d needs floating-point numbers; got int32\. Convert with .*float32"),
    ({"bias": np.zeros(3, "f")}, ValueError,
     r"bias of shape \(3,\).*one value for each output channel: \(4,\)"),
    ({"bias": np.zeros(4)}, TypeError, "needs one dtype"),
    ({"weight": np.zeros((4, 3, 3), "f")}, ValueError, r"weight of shape \(K, C/groups, R, S\)"),
    ({"groups": 2}, ValueError, "groups"),
])
def test_what_does_not_fit_is_said(changed, error, message):
    arguments = ZEROS | changed
    arrays = [arguments[name] for name in ("x", "weight", "bias")]
    with pytest.raises(error, match=message):
        conv(*arrays, **attributes((1, 1), NONE, (1, 1), arguments.get("groups", 1)))
