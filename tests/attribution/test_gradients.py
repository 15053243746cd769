"""Gradients as attributions: on every backend, of one image and of several, without a trace in the model."""

import numpy as np
import pytest

import cnnkit
from cnnkit import attribution, models, nn

METHODS = [attribution.saliency, attribution.smooth_grad, attribution.integrated_gradients,
           attribution.occlusion, attribution.grad_cam]


def net():
    return models.CommonCNN((1, 8, 8), classes=4)


def images(count=2):
    return np.random.default_rng(0).random((count, 1, 8, 8), dtype="float32")


@pytest.mark.parametrize("method", METHODS)
def test_one_image_gets_the_map_that_it_gets_among_others(method):
    model, x = net(), images()
    together = method(model, x, [1, 3]).numpy()
    assert together.shape == x.shape
    for n, target in enumerate((1, 3)):
        np.testing.assert_allclose(method(model, x[n], target).numpy(), together[n], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_by_default_the_most_probable_class_is_asked_about(method):
    model, x = net(), images()
    classes = model.eval()(cnnkit.tensor(x)).argmax(1)
    np.testing.assert_array_equal(method(model, x).numpy(), method(model, x, classes).numpy())


@pytest.mark.parametrize("method", METHODS)
def test_the_model_and_the_images_stay_as_they_were(method):
    model, x = net().train(), cnnkit.tensor(images())
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    method(model, x)
    assert model.training
    assert not x.requires_grad
    assert all(p.grad is None for p in model.parameters())
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())


def test_integrated_gradients_sum_to_the_difference_of_the_scores(backend):
    model = net().to(backend.backend)
    x = cnnkit.tensor(images(1)).to(backend.backend)
    maps = attribution.integrated_gradients(model, x, 2, steps=8)
    with cnnkit.no_grad():
        scores = model.eval()(x)[:, 2] - model(0 * x)[:, 2]
    np.testing.assert_allclose(maps.sum((1, 2, 3)).numpy(), scores.numpy(), atol=5e-3)
    assert maps.backend is x.backend


@pytest.mark.parametrize(("method", "settings"), [
    (attribution.smooth_grad, {"samples": 5}), (attribution.integrated_gradients, {"steps": 5}),
    (attribution.occlusion, {"window": 4})])
def test_the_size_of_the_batches_changes_nothing(method, settings):
    model, x = net(), images()
    expected = method(model, x, 1, **settings).numpy()
    for batch_size in (1, 5):
        found = method(model, x, 1, **settings, batch_size=batch_size).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: attribution.saliency(net(), images(), 4), "target 4: the model has the classes 0 to 3"),
    (lambda: attribution.saliency(net(), images(), [1, 2, 3]), r"one for each of 2 images; got int64 .*3,"),
    (lambda: attribution.saliency(net(), images()[0, 0]), r"one \(C, H, W\); got shape \(8, 8\)"),
    (lambda: attribution.saliency(nn.Conv2d(1, 2, 3), images()), r"scores \(N, classes\); it gave \(2, 2"),
    (lambda: attribution.smooth_grad(net(), images(), samples=0), "samples must be a .* 1 or more; got 0"),
    (lambda: attribution.smooth_grad(net(), images(), noise=-1.0), "share of the image's range"),
    (lambda: attribution.occlusion(net(), images(), window=2, stride=3), "would never be covered"),
    (lambda: attribution.grad_cam(net(), images(), layer="classifier.fc1"), r"fc1 makes \(2, 128\)"),
    (lambda: attribution.grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), images()),
     "has no convolution; name a layer"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
