"""Interpolation: PyTorch's numbers in every mode, and errors that say which mode takes what."""

import numpy as np
import pytest

import cnnkit
import cnnkit.functional as F

CASES = [
    ((2, 3, 7), {"size": 12}), ((2, 3, 7), {"scale_factor": 0.6, "mode": "linear"}),
    ((2, 3, 5, 4), {"scale_factor": 2}), ((2, 3, 5, 4), {"size": (3, 9), "mode": "nearest-exact"}),
    ((2, 3, 5, 4), {"scale_factor": 2, "mode": "bilinear"}),
    ((2, 3, 5, 4), {"size": (9, 3), "mode": "bilinear", "align_corners": True}),
    ((2, 3, 5, 4), {"scale_factor": (1.7, 0.6), "mode": "bicubic"}),
    ((2, 3, 5, 4), {"scale_factor": 1.7, "mode": "bicubic", "recompute_scale_factor": True}),
    ((1, 2, 9, 11), {"size": (4, 5), "mode": "bilinear", "antialias": True}),
    ((1, 2, 9, 11), {"size": (4, 13), "mode": "bicubic", "antialias": True}),
    ((1, 2, 3, 4, 3), {"scale_factor": 2, "mode": "trilinear"}),
    ((1, 2, 7, 6), {"scale_factor": 0.5, "mode": "area"}),
]


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("shape", "settings"), CASES)
def test_values_and_gradients_equal_pytorch(shape, settings):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=shape)
    results = []
    for library, functional in ((cnnkit, F), (torch, torch.nn.functional)):
        x = library.tensor(values, requires_grad=True)
        y = functional.interpolate(x, **settings)
        (y ** 3).sum().backward()
        results.append((y.detach().numpy(), x.grad.numpy()))
    for ours, theirs in zip(*results):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_nan_stays_with_its_neighbours():
    x = cnnkit.tensor([[[1.0, float("nan"), 3.0, 4.0, 5.0]]], requires_grad=True)
    y = F.interpolate(x, scale_factor=2, mode="linear")
    assert np.isnan(y.numpy()).tolist() == [[[True] * 5 + [False] * 5]]
    y.backward(cnnkit.tensor([[[float("nan"), *[1.0] * 9]]]))
    assert np.isnan(x.grad.numpy()).tolist() == [[[True, True, False, False, False]]]


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({}, ValueError, "either size or scale_factor"),
    ({"size": 2, "scale_factor": 2}, ValueError, "only one of size or scale_factor"),
    ({"size": 2, "mode": "linear"}, ValueError, "Got 4D input, but linear mode needs 3D input"),
    ({"size": 2, "mode": "spline"}, ValueError, "has the modes nearest, .*; got 'spline'"),
    ({"size": 2, "align_corners": True}, ValueError, "align_corners option can only be set"),
    ({"size": 2, "antialias": True}, ValueError, "Anti-alias option is restricted"),
    ({"size": (2, 2, 2)}, ValueError, r"spatial dimensions of \[4, 4\] and size=\(2, 2, 2\)"),
    ({"size": 2.5}, TypeError, "size must be an integer"),
    ({"size": 0}, ValueError, "must have pixels"),
    ({"size": 2, "recompute_scale_factor": True}, ValueError, "not meaningful with an explicit size"),
])
def test_what_does_not_fit_raises(settings, error, message):
    with pytest.raises(error, match=message):
        F.interpolate(cnnkit.tensor(np.zeros((1, 1, 4, 4), np.float32)), **settings)


def test_old_names_warn():
    x = cnnkit.tensor([[[1.0, 2.0]]])
    with pytest.warns(UserWarning, match="functional.upsample is deprecated"):
        assert F.upsample(x, scale_factor=2).shape == (1, 1, 4)
