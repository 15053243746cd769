"""Filters, feature maps and Sobel edges as pictures."""

import copy

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn
from cnnkit.inspection import show, show_feature_maps, show_filters, sobel


def striped():
    """A model whose one filter finds vertical edges from dark to bright."""
    model = nn.Sequential({"conv": nn.Conv2d(1, 1, 3, bias=False), "relu": nn.ReLU()})
    model.conv.weight = nn.Parameter(np.array([[[[-1.0, 0, 1]] * 3]]))
    return model


def half_bright():
    image = np.zeros((6, 6))
    image[:, 3:] = 1.0
    return image


def test_bright_pixels_are_strong_activations():
    picture, = show_feature_maps(striped(), half_bright(), "relu").pictures
    assert picture.levels == [[0, 255, 255, 0]] * 4


def test_filters_show_0_as_grey_on_one_scale_for_all():
    layer = nn.Conv2d(1, 2, (1, 3))
    layer.weight = nn.Parameter(np.array([[[[-1.0, 0, 0.5]]], [[[2.0, 0, -2.0]]]]))
    assert [p.levels for p in show_filters(layer).pictures] == [[[64, 128, 159]], [[255, 128, 0]]]


def test_input_channels_of_a_filter_stand_side_by_side():
    picture = show_filters(nn.Conv2d(3, 8, 5)).pictures[0]
    assert (len(picture.levels), picture.width) == (5, 3 * 5 + 2)


def test_show_has_the_image_and_every_convolution():
    model = models.CommonCNN((1, 8, 8))
    sheet = show(model, np.zeros((1, 1, 8, 8)))
    assert [g.title for g in sheet.galleries] == [
        "image, (1, 8, 8)",
        "features.conv1: Conv2d, 8 filters of 3 x 3 on 1 channel",
        "features.conv1: Conv2d, 8 feature maps of 8 x 8",
        "features.conv2: Conv2d, 16 filters of 3 x 3 on 8 channels",
        "features.conv2: Conv2d, 16 feature maps of 4 x 4"]


def test_show_of_one_layer_has_its_maps_alone():
    sheet = show(models.CommonCNN((1, 8, 8)), np.zeros((8, 8)), layer="features.relu2")
    assert [g.title.split(":")[0] for g in sheet.galleries] == ["image, (1, 8, 8)", "features.relu2"]


def test_more_than_the_most_are_named_and_not_shown():
    layer = nn.Conv2d(1, 20, 3)
    for gallery, noun in ((show_filters(layer, most=6), "filters"),
                          (show_feature_maps(layer, np.ones((8, 8)), most=6), "maps")):
        assert len(gallery.pictures) == 6
        assert gallery.note == f"14 more {noun} are not shown"


def test_showing_changes_nothing_in_the_model():
    model = models.CNN((1, 8, 8), batch_norm=True, dropout=0.5).train()
    before, state = copy.deepcopy(model.state_dict()), cnnkit.random.get_state()
    show(model, np.ones((8, 8)))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())
    assert all(module.training and not module._hooks for module in model.modules())
    assert cnnkit.random.get_state() == state


def test_uint8_and_float_images_show_the_same_maps():
    picture = np.arange(64, dtype="uint8").reshape(8, 8)
    model = models.CommonCNN((1, 8, 8))
    maps = [show_feature_maps(model, image).pictures[0].levels for image in (picture, picture / 255)]
    np.testing.assert_allclose(*maps, atol=1)


def test_sobel_finds_the_edge_and_its_direction():
    pictures = {p.caption: p.levels for p in sobel(half_bright()).pictures}
    assert pictures["vertical edges"] == pictures["edges"] == [[0, 255, 255, 0]] * 4
    assert pictures["horizontal edges"] == [[0, 0, 0, 0]] * 4
    turned = {p.caption: p.levels for p in sobel(half_bright().T).pictures}
    assert turned["horizontal edges"] == [[0] * 4, [255] * 4, [255] * 4, [0] * 4]


def test_sobel_averages_colours():
    image = np.stack([np.zeros((6, 6)), half_bright(), np.zeros((6, 6))])
    expected = [p.levels for p in sobel(half_bright()).pictures]
    assert [p.levels for p in sobel(image[None]).pictures] == expected


@pytest.mark.parametrize(("height", "width"), [(3, 3), (3, 50), (64, 64), (37, 211)])
def test_sobel_of_an_image_of_any_size_keeps_its_size_but_for_the_border(height, width):
    image = np.zeros((height, width))
    image[:, width // 2:] = 1.0
    gallery = sobel(image)
    sizes = [(len(p.levels), p.width) for p in gallery.pictures]
    assert sizes == [(height, width), *[(height - 2, width - 2)] * 3]
    edge = [255 if column in (width // 2 - 2, width // 2 - 1) else 0 for column in range(width - 2)]
    assert gallery.pictures[1].levels == [edge] * (height - 2)


def test_every_library_shows_the_same_pictures(backend):
    image = np.arange(64, dtype="float32").reshape(8, 8)
    shown = [p.levels for p in sobel(backend.asarray(image)).pictures]
    model = models.CommonCNN((1, 8, 8))
    assert len(show(model, image).galleries) == 5  # a host image goes where the model is
    with cnnkit.use("numpy"):
        assert shown == [p.levels for p in sobel(image).pictures]


@pytest.mark.parametrize(("call", "message"), [
    (lambda m: show(m, np.ones((8, 8)), layer="conv9"),
     "has no layer 'conv9'; it has features, features.conv1"),
    (lambda m: show_filters(m, "features.relu1"),
     "is a ReLU, which has no filters; convolutions are features.conv1"),
    (lambda m: show(nn.Linear(2, 2), np.ones((8, 8))), "Linear has no convolution to show"),
    (lambda m: show_feature_maps(m, np.ones((8, 8)), "classifier.fc1"),
     r"classifier.fc1 makes \(1, 128\): there are no feature"),
    (lambda m: show(m, np.ones((2, 1, 8, 8))),
     r"one image is \(H, W\), \(C, H, W\) or \(1, C, H, W\); got shape \(2, 1, 8, 8\)"),
    (lambda m: show(m, np.ones((9, 9))), r"input_shape=\(1, 8, 8\)\) got an input of shape \(1, 1, 9, 9\)"),
    (lambda m: sobel(np.ones((2, 9))), r"at least 3 x 3 pixels; got \(2, 9\)")])
def test_mistakes_say_what_there_is(call, message):
    with pytest.raises(ValueError, match=message):
        call(models.CommonCNN((1, 8, 8)))
