"""Convolution of many channels by each algorithm, and what follows it on channels last in memory."""

from dataclasses import replace

import numpy as np
import pytest
from cnnkit_cpu import choice, layout, library

import cnnkit
from cnnkit import backends, conformance, nn, optim
from cnnkit import functional as F
from cnnkit.conformance import Tolerance
from cnnkit.ops.core import OPS

CONVOLUTIONS = [case for case in conformance.CASES if case.ops[0] == "conv"]
WINOGRAD = Tolerance(2e-4, 2e-4, "Winograd's transforms round more than sums of products do")


def failures(cases, name):
    messages = []
    with conformance.Target("cpu").entered() as target, choice.algorithm(name):
        for case in cases:
            outcome = conformance.run_case(case, target)
            messages += [f"{case.id}: {check}: {message}" for check, message in outcome.failures]
    return messages


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["product", "winograd2"])
def test_every_convolution_passes_by_each_algorithm(forced, name):
    assert len(CONVOLUTIONS) > 30
    assert failures(CONVOLUTIONS, name) == []


@pytest.mark.heavy
def test_every_convolution_passes_by_winograd_4x4_within_its_own_tolerance(forced):
    rounded = [replace(case, tolerance=WINOGRAD) for case in CONVOLUTIONS if case.tolerance.rtol]
    assert len(rounded) > 15
    assert failures(rounded, "winograd4") == []


def images(shape, seed=0):
    """Normal numbers whose channels lie last in memory."""
    array = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return layout.to_channels_last(array)


@pytest.mark.parametrize(("x", "weight", "padding"), [
    ((2, 64, 17, 13), (48, 64, 3, 3), 1),
    pytest.param((1, 300, 9, 8), (290, 300, 3, 3), 2, marks=pytest.mark.heavy),
    pytest.param((70, 160, 4, 4), (512, 160, 3, 3), 1, marks=pytest.mark.heavy),
    ((3, 33, 6, 5), (70, 33, 3, 3), 0), ((1, 40, 1, 1), (32, 40, 3, 3), 1)])
@pytest.mark.parametrize("name", ["product", "winograd2", "winograd4"])
def test_many_channels_against_float64(forced, name, x, weight, padding):
    check_many_channels(name, x, weight, 1, padding)


# results of all images (and of the input gradient's phases) fewer than 128 and more: their filters are
# packed in two ways
@pytest.mark.parametrize(("x", "weight", "stride", "padding"), [
    ((3, 40, 9, 11), (70, 40, 3, 3), 2, 1),
    ((9, 40, 9, 11), (70, 40, 3, 3), 2, 1), ((3, 48, 6, 7), (35, 48, 1, 1), 1, 0),
    ((2, 65, 7, 7), (33, 65, 1, 1), 2, 0),
    ((1, 33, 16, 15), (41, 33, 5, 3), 3, 2), ((2, 64, 8, 8), (32, 64, 3, 3), 1, 1),
    ((1, 34, 43, 3), (40, 34, 3, 3), 1, 1), ((1, 24, 61, 40), (41, 24, 3, 3), 1, 1)])
def test_many_channels_with_few_results_and_more(forced, x, weight, stride, padding):
    check_many_channels("product", x, weight, stride, padding)


# the places of a dilated convolution are interleaved dense ones, of about the same size
@pytest.mark.parametrize(("x", "weight", "padding", "dilation"), [
    ((3, 16, 17, 13), (20, 16, 3, 3), 1, (1, 1)), ((2, 33, 19, 14), (17, 33, 3, 3), 2, (2, 2)),
    ((1, 32, 9, 23), (32, 32, 3, 3), 2, (1, 5)), ((2, 24, 5, 6), (40, 24, 3, 3), 8, (4, 8)),
    ((1, 70, 12, 11), (66, 70, 3, 3), 0, (4, 3))])
@pytest.mark.parametrize("name", ["winograd2", "winograd4"])
def test_few_channels_and_dilation_by_winograd(forced, name, x, weight, padding, dilation):
    assert choice.algorithms(x, weight, 1, padding, dilation, channels_last=True) != ("flat",) * 3
    with choice.algorithm(name):
        assert choice.algorithms(x, weight, 1, padding, dilation) == (name,) * 3
    check_many_channels(name, x, weight, 1, padding, dilation)


def check_many_channels(name, x, weight, stride, padding, dilation=(1, 1)):
    rng = np.random.default_rng(3)
    a, w, b = (rng.standard_normal(s) for s in (x, weight, weight[:1]))
    conv = {"stride": (stride,) * 2, "padding": ((padding, padding),) * 2, "dilation": dilation, "groups": 1}
    (expected,), backward = OPS["conv"](a, w, b, needs=(True,) * 3, **conv)
    dy = rng.standard_normal(expected.shape)
    with choice.algorithm(name):
        arrays = (v.astype(np.float32) for v in (a, w, b))
        (got,), backward32 = OPS["conv"](*arrays, needs=(True,) * 3, **conv)
        gradients = backward32(dy.astype(np.float32))
    for result, exact in zip((got, *gradients), (expected, *backward(dy))):
        error = np.sqrt(np.mean((result - exact) ** 2) / np.mean(exact ** 2))
        assert error < (1e-5 if name == "winograd4" else 2e-6)
    assert layout.is_channels_last(got) or got.flags.c_contiguous


def steps(threads, strict=False):
    """The bits of a residual network's parameters after two steps."""
    cnnkit.random.seed(1)
    rng, thread_count = np.random.default_rng(2), backends.get_num_threads()

    class Block(nn.Module):
        def __init__(self, i, o, s):
            super().__init__()
            self.c1, self.b1 = nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o)
            self.c2, self.b2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
            self.c3, self.b3 = nn.Conv2d(i, o, 1, s, bias=False), nn.BatchNorm2d(o)

        def forward(self, x):
            return F.relu(self.b2(self.c2(F.relu(self.b1(self.c1(x))))) + self.b3(self.c3(x)))

    with cnnkit.use("cpu"), cnnkit.precision("strict" if strict else "fast"):
        backends.set_num_threads(threads)
        try:
            net = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64),
                                nn.ReLU(), Block(64, 72, 2), Block(72, 96, 1),
                                nn.MaxPool2d(3, 2, 1), nn.Conv2d(96, 40, 5),
                                nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
                                nn.Linear(40, 5))
            optimizer = optim.SGD(net.parameters(), lr=1e-2, momentum=0.9)
            for _ in range(2):
                x, y = (cnnkit.tensor(rng.standard_normal((19, 3, 25, 23), dtype=np.float32)),
                        cnnkit.tensor(rng.integers(0, 5, 19)))
                optimizer.zero_grad()
                F.cross_entropy(net(x), y).backward()
                optimizer.step()
            return [p.numpy().copy() for p in net.parameters()]
        finally:
            backends.set_num_threads(thread_count)


def test_one_thread_and_more_give_the_same_bits(forced):
    expected = [p.tobytes() for p in steps(1)]
    assert [p.tobytes() for p in steps(2)] == expected
    assert [p.tobytes() for p in steps(5)] == expected


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("name", ["product", "winograd4"])
def test_few_channels_and_images_give_the_same_bits_by_any_number_of_threads(forced, name, batch):
    x, dy = images((batch, 16, 30, 29)), images((batch, 20, 30, 29))
    weight = np.ones((20, 16, 3, 3), np.float32)
    conv = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    thread_count, results = backends.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            backends.set_num_threads(threads)
            with choice.algorithm(name):
                (y,), backward = OPS["conv"](x, weight, None, needs=(True, True, False), **conv)
                results.append([array.tobytes() for array in (y, *backward(dy)[:2])])
    finally:
        backends.set_num_threads(thread_count)
    assert results[1] == results[2] == results[0]


def test_strict_precision_turns_winograd_off():
    fast, strict = steps(2), steps(2, strict=True)
    with choice.algorithm("product"):
        product = steps(2)
    assert [p.tobytes() for p in fast] != [p.tobytes() for p in strict]
    assert [p.tobytes() for p in product] == [p.tobytes() for p in strict]
    assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(fast, strict))


def test_infinity_reaches_what_it_must_and_nothing_else():
    x = images((2, 32, 12, 12))
    x[1, 5, 3, 4] = np.inf
    w = np.random.default_rng(1).standard_normal((32, 32, 3, 3), dtype=np.float32)
    conv = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    with np.errstate(invalid="ignore"), backends.tables():
        (expected,), _ = OPS["conv"](x, w, None, needs=(False,) * 3, **conv)
    (got,), _ = OPS["conv"](x, w, None, needs=(False,) * 3, **conv)
    assert np.array_equal(np.isfinite(got), np.isfinite(expected))
    assert np.isfinite(expected).sum() == expected.size - 32 * 9


def close(got, expected, tolerance=2e-5):
    for a, b in zip(got, expected):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


def test_a_gradient_that_meets_nothing_but_padding_makes_nan_of_the_filters():
    conv = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    x, dy = images((2, 32, 5, 4)), images((2, 32, 7, 6))
    dy[0, 3, 0, 0] = np.nan
    with choice.algorithm("product"):
        (dweight,), _ = OPS["conv_filters"](x, dy, kernel_size=(1, 1), **conv)
    assert np.isnan(dweight[3]).all()
    assert np.isfinite(np.delete(dweight, 3, 0)).all()


def test_plans_are_kept_for_each_precision_and_algorithm():
    x, w = (cnnkit.tensor(np.ones(s, np.float32)) for s in ((2, 32, 8, 8), (32, 32, 3, 3)))
    library.active.plans.clear()
    F.conv2d(x, w, padding=1)
    with cnnkit.precision("strict"):
        F.conv2d(x, w, padding=1)
    assert [plan.names[0] for plan in library.active.plans.values()] == ["winograd4", "product"]


def test_an_unknown_algorithm_is_refused():
    with (pytest.raises(ValueError, match=r"no algorithm 'fft'; there are flat, product"),
          choice.algorithm("fft")):
        pass


def compared(x, weight, conv, needs=(True, True, False), name=None, spoil=None):
    """Result and gradients of the kernel and of the generic op in float64."""
    rng = np.random.default_rng(6)
    a, w = (rng.standard_normal(s, dtype=np.float32) for s in (x, weight))
    with choice.algorithm(name):
        (y,), backward = OPS["conv"](a, w, None, needs=needs, **conv)
        dy = rng.standard_normal(y.shape, dtype=np.float32)
        if spoil is not None:
            dy[0, 0, 0, 0] = spoil
        with np.errstate(invalid="ignore"):
            got = y, *backward(dy)
    (z,), back64 = OPS["conv"](a.astype(np.float64), w.astype(np.float64), None, needs=needs, **conv)
    with np.errstate(invalid="ignore"):
        return got, (z, *back64(dy.astype(np.float64)))


@pytest.mark.parametrize(("x", "weight", "stride", "padding"), [
    ((2, 32, 1, 1), (32, 32, 1, 1), (2, 2), ((1, 1), (1, 1))),
    ((2, 32, 1, 5), (32, 32, 1, 1), (2, 2), ((1, 1), (1, 1))),
    ((2, 32, 3, 1), (32, 32, 1, 1), (1, 10), ((0, 0), (3, 3))),
    ((2, 32, 3, 4), (32, 32, 1, 3), (1, 20), ((0, 0), (9, 9))),
    ((4, 32, 20, 1), (32, 32, 1, 1), (1, 10), ((0, 0), (3, 0))),
    ((2, 40, 7, 2), (48, 40, 2, 3), (4, 4), ((1, 3), (4, 0)))])
def test_images_that_taps_do_not_reach(forced, x, weight, stride, padding):
    close(*compared(x, weight, {"stride": stride, "padding": padding, "dilation": (1, 1), "groups": 1}))


def test_nan_in_a_gradient_where_the_flat_loops_do_not_serve():
    conv = {"stride": (32, 32), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    got, expected = compared((1, 3, 224, 224), (768, 3, 32, 32), conv, (False, True, False), spoil=np.nan)
    assert np.array_equal(np.isnan(got[2]), np.isnan(expected[2]))
    assert np.isnan(got[2]).sum() == 3 * 32 * 32


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False)])
def test_infinity_in_a_gradient_of_one_input(needs):
    conv = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    got, expected = compared((2, 32, 6, 6), (40, 32, 3, 3), conv, needs, spoil=np.inf)
    for a, b in zip(got[1:], expected[1:]):
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(np.isfinite(a), np.isfinite(b))


def test_room_is_kept_for_the_threads_that_it_was_made_for():
    plan = library.active.plans
    plan.clear()
    x, w = np.ones((2, 32, 8, 8), np.float32), np.ones((32, 32, 3, 3), np.float32)
    thread_count = backends.get_num_threads()
    conv = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    sizes = {}
    for threads in (1, 8):
        backends.set_num_threads(threads)
        OPS["conv"](x, w, None, needs=(False,) * 3, **conv)
        sizes[threads] = next(iter(plan.values()))._rooms[0, threads]
    backends.set_num_threads(thread_count)
    assert sizes[8] > sizes[1]


def test_filters_gradients_of_dark_pixels_are_exactly_0_where_there_are_few_windows():
    rng = np.random.default_rng(0)
    x, w = np.zeros((32, 16, 4, 4), np.float32), rng.standard_normal((32, 16, 3, 3), dtype=np.float32)
    x[:, :, 3, 3] = rng.standard_normal((32, 16), dtype=np.float32)  # only windows in the corner see it
    conv = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1), "groups": 1}
    with backends.tables("cpu"):
        y, backward = OPS["conv"](layout.to_channels_last(x), w, None, needs=(False, True, False), **conv)
        dy = np.zeros(y[0].shape if isinstance(y, tuple) else y.shape, np.float32)
        dy[:, :, 2:, 2:] = rng.standard_normal((32, 32, 2, 2), dtype=np.float32)
        _, dw, _ = backward(layout.to_channels_last(dy))
    assert np.count_nonzero(dw[:, :, 1:, 1:]) == 32 * 16 * 4
    assert np.count_nonzero(dw) == 32 * 16 * 4
    assert choice.algorithms((32, 16, 4, 4), (32, 16, 3, 3), padding=1)[2] == "product"
    large = choice.algorithms((64, 16, 32, 32), (16, 16, 3, 3), padding=1, channels_last=True)
    assert large[2] == "winograd4"
