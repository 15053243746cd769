"""Attributions are captum's, on the same network and images."""

import numpy as np
import pytest

import cnnkit
from cnnkit import attribution, nn, random

torch = pytest.importorskip("torch")
captum = pytest.importorskip("captum.attr")

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
TARGET = [1, 4, 0]


def layers(kind):
    return [kind.Conv2d(3, 6, 3, padding=1), kind.ReLU(), kind.MaxPool2d(2), kind.Conv2d(6, 8, 3),
            kind.BatchNorm2d(8), kind.ReLU(), kind.Flatten(), kind.Linear(8 * 3 * 4, 5)]


@pytest.fixture(scope="module")
def both():
    """The same network in both libraries, in evaluation mode; and images."""
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(*layers(torch.nn)).eval()
    theirs[4].running_mean.uniform_(-1, 1)
    theirs[4].running_var.uniform_(0.5, 2)
    ours = nn.Sequential(*layers(nn)).eval()
    ours.load_state_dict({name: cnnkit.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
    return ours, theirs, np.random.default_rng(0).normal(size=(3, 3, 10, 12)).astype("float32")


def check(found, expected):
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), **CLOSE)


@pytest.mark.parametrize("absolute", [True, False])
def test_saliency(both, absolute):
    ours, theirs, x = both
    expected = captum.Saliency(theirs).attribute(torch.tensor(x, requires_grad=True), torch.tensor(TARGET),
                                                   abs=absolute)
    check(attribution.saliency(ours, x, TARGET, absolute=absolute), expected)


@pytest.mark.parametrize("baseline", [0.0, 0.25])
def test_integrated_gradients(both, baseline):
    ours, theirs, x = both
    expected = captum.IntegratedGradients(theirs).attribute(torch.tensor(x), baseline, torch.tensor(TARGET))
    check(attribution.integrated_gradients(ours, x, TARGET, baseline=baseline), expected)


@pytest.mark.parametrize(("window", "stride"), [(3, 1), ((4, 2), (3, 2)), (5, 5), (12, 4)])
def test_occlusion(both, window, stride):
    ours, theirs, x = both
    (h, w), (down, across) = (np.broadcast_to(each, 2).tolist() for each in (window, stride))
    expected = captum.Occlusion(theirs).attribute(
        torch.tensor(x), (3, min(h, 10), min(w, 12)), strides=(3, down, across), target=torch.tensor(TARGET),
        baselines=0.5)
    check(attribution.occlusion(ours, x, TARGET, window=window, stride=stride, baseline=0.5), expected)


@pytest.mark.parametrize("layer", ["0", "3", "5"])
@pytest.mark.parametrize("positive", [True, False])
def test_grad_cam(both, layer, positive):
    ours, theirs, x = both
    expected = captum.LayerGradCam(theirs, theirs[int(layer)]).attribute(
        torch.tensor(x), torch.tensor(TARGET), relu_attributions=positive)
    check(attribution.grad_cam(ours, x, TARGET, layer=layer, positive=positive, resize=False), expected)
    larger = captum.LayerAttribution.interpolate(expected, (10, 12), "bilinear")
    check(attribution.grad_cam(ours, x, TARGET, layer=layer, positive=positive), larger)


def test_smooth_grad(both, monkeypatch):
    ours, theirs, x = both
    x = x[:1]
    stdev = 0.15 * float(x.max() - x.min())
    draws = np.concatenate([random.normal(key, x.shape) for key in random.split(random.key(7), 6)])
    monkeypatch.setattr(torch, "normal", lambda mean, std: torch.tensor(draws) * std)  # the same noise
    expected = captum.NoiseTunnel(captum.Saliency(theirs)).attribute(
        torch.tensor(x), nt_type="smoothgrad", nt_samples=6, stdevs=stdev, target=4)
    check(attribution.smooth_grad(ours, x, 4, samples=6, seed=7), expected)
