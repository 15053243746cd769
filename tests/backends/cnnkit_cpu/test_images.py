"""What networks do with images besides convolution, on each instruction set, against float64 and NumPy."""

import numpy as np
import pytest
from cnnkit_cpu import layout, library

import cnnkit
from cnnkit import backends
from cnnkit import functional as F
from cnnkit.ops.core import OPS

SHAPES = [(3, 33, 12, 10), (2, 16, 5, 7), (5, 4, 20, 16), (1, 48, 9, 9)]


def numbers(shape, last, seed=0):
    array = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return layout.to_channels_last(array) if last else array


def check(function, arrays, monkeypatch, *, last, tolerance=2e-5, seed=5):
    """Result and gradients are those of float64, and have the same bits with two threads."""
    bits = []
    for threads in (1, 2):
        monkeypatch.setattr(library, "threads", threads)
        inputs = [cnnkit.Tensor(a).requires_grad_() for a in arrays]
        y = function(*inputs)
        dy = numbers(y.shape, last and y.ndim in (3, 4), seed)
        y.backward(cnnkit.Tensor(dy))
        results = [y.detach().numpy(), *(x.grad.numpy() for x in inputs)]
        bits.append([a.tobytes() for a in results])
    assert bits[0] == bits[1]
    with backends.tables():
        inputs = [cnnkit.Tensor(a.astype(np.float64)).requires_grad_() for a in arrays]
        y = function(*inputs)
        y.backward(cnnkit.Tensor(dy.astype(np.float64)))
    for got, exact in zip(results, [y.detach().numpy(), *(x.grad.numpy() for x in inputs)]):
        np.testing.assert_allclose(got, exact, rtol=tolerance, atol=tolerance * np.abs(exact).max())
    return results


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("groups", [1, "some", "each"])
@pytest.mark.parametrize("signals", [False, True])
def test_group_norm(forced, shape, last, groups, signals, monkeypatch):
    C = shape[1]
    groups = {1: 1, "some": next(n for n in (4, 3) if C % n == 0), "each": C}[groups]
    x = numbers((*shape[:2], shape[2] * shape[3]) if signals else shape, last) * 3 + 20
    w, b = np.random.default_rng(1).standard_normal((2, C), np.float32)
    y, dx, *_ = check(lambda x, w, b: F.group_norm(x, groups, w, b), [x, w, b], monkeypatch, last=last,
                      tolerance=2e-4)
    assert layout.is_channels_last(y) == layout.is_channels_last(dx) == last


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [True, False])
def test_instance_norm_without_parameters(forced, shape, last, monkeypatch):
    check(F.instance_norm, [numbers(shape, last)], monkeypatch, last=last, tolerance=2e-4)


def test_group_norm_of_one_number_has_variance_0(forced):
    x = layout.to_channels_last(np.full((2, 6, 3, 3), 10_000.1, np.float32))
    assert np.all(F.group_norm(cnnkit.Tensor(x), 2).numpy() == 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("settings", [{"scale_factor": 2, "mode": "nearest"},
                                      {"size": (7, 5), "mode": "bilinear"},
                                      {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
                                      {"size": (25, 9), "mode": "bicubic"}])
def test_interpolation(forced, shape, last, settings, monkeypatch):
    y, dx = check(lambda x: F.interpolate(x, **settings), [numbers(shape, last)], monkeypatch, last=last)
    assert layout.is_channels_last(y) == layout.is_channels_last(dx) == last


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_concatenation(forced, last, axis, monkeypatch):
    arrays = [numbers(tuple(n if a == axis else size for a, size in enumerate((3, 20, 7, 9))), last, n)
              for n in (3, 33, 1)]
    results = check(lambda *x: cnnkit.cat([*x], axis), arrays, monkeypatch, last=last, tolerance=0)
    np.testing.assert_array_equal(results[0], np.concatenate(arrays, axis))
    assert layout.is_channels_last(results[0]) == (last and axis == 1)


@pytest.mark.parametrize("shape", [*SHAPES, (2, 20, 40, 30)])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("size", [(1, 1), (None, 1)])
def test_means_of_maps(forced, shape, last, size, monkeypatch):
    check(lambda x: F.adaptive_avg_pool2d(x, size), [numbers(shape, last)], monkeypatch, last=False)


def test_a_number_for_each_channel_is_added(forced, monkeypatch):
    for shape in ((1, 33, 1, 1), (33, 1, 1)):
        arrays = [numbers((2, 33, 9, 11), True), numbers(shape, False, 1)]
        z, *_ = check(lambda x, y: x + y, arrays, monkeypatch, last=True)
        assert layout.is_channels_last(z)


@pytest.mark.parametrize("mask", [True, False])
def test_channels_out_of_wider_pixels_are_copied(forced, mask):
    wide = numbers((3, 40, 6, 7), True)
    part = wide[:, 3:36]
    above = numbers((3, 33, 6, 7), True, 1) if mask else None
    got = layout.to_channels_last(part, above)
    np.testing.assert_array_equal(got, np.where(above <= 0, 0, part) if mask else part)
    assert layout.is_channels_last(got)


def test_signals_keep_their_channels_last(forced, monkeypatch):
    x = numbers((4, 32, 300), False)
    net = [numbers((40, 32, 3), False, 1) * 0.1, *numbers((2, 40), False, 2)]

    def run(x, w, scale, shift):
        y = F.batch_norm(F.conv1d(x, w, padding=1), None, None, scale, shift, training=True)
        return F.max_pool1d(F.silu(y), 2)
    y, *_ = check(run, [x, *net], monkeypatch, last=True, tolerance=2e-4)
    assert layout.is_channels_last(y)
    assert np.shares_memory(layout.to_channels_last(y), y)
    assert OPS["relu"](y, needs=(False,))[0][0].strides == y.strides
