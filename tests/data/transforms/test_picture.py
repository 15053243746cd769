"""Transforms do what torchvision's do, and a batch is its images transformed one by one, bit for bit."""

import numpy as np
import pytest
from PIL import Image

from cnnkit.data.transforms import Compose, Normalize, ToTensor
from cnnkit.data.transforms.compose import batched_form

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (5, 6, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
FLOAT = RNG.random((5, 3, 6, 7))

PIPELINES = {
    "to_tensor": ToTensor(),
    "normalize": Compose([ToTensor(), Normalize(0.1307, 0.3081)]),
    "normalize_channels": Compose([ToTensor(), Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.7))]),
}
IMAGES = {"gray": GRAY, "colour": COLOUR, "strided": COLOUR[:, ::2, ::-1], "float": FLOAT,
          "float_gray": FLOAT[:, 0]}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in PIPELINES for kind in IMAGES
                                            if name != "normalize_channels" or "gray" not in kind])
def test_a_batch_is_bit_equal_to_its_images_one_by_one(name, kind):
    transform, images = PIPELINES[name], IMAGES[kind]
    batch = batched_form(transform)(images)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, np.stack([transform(image) for image in images]))


def test_to_tensor_divides_every_byte_by_255_and_rounds_once():
    values = ToTensor()(np.arange(256, dtype=np.uint8).reshape(16, 16)).ravel()
    np.testing.assert_array_equal(values, (np.arange(256) / 255).astype(np.float32))


def test_to_tensor_moves_the_channels_of_a_picture_to_the_front():
    tensor = ToTensor()(COLOUR[0])
    assert tensor.shape == (3, 6, 7)
    assert tensor[2, 4, 5] == np.float32(COLOUR[0, 4, 5, 2]) / np.float32(255)


def test_to_tensor_leaves_the_values_and_axes_of_floats_alone():
    np.testing.assert_array_equal(ToTensor()(FLOAT[0]), FLOAT[0].astype(np.float32))
    assert ToTensor()(FLOAT[0, 0]).shape == (1, 6, 7)


@pytest.mark.parametrize(("mode", "shape"), [("L", (1, 6, 7)), ("RGB", (3, 6, 7)), ("1", (1, 6, 7))])
def test_to_tensor_takes_pillow_images(mode, shape):
    tensor = ToTensor()(Image.new(mode, (7, 6), "white"))
    assert tensor.shape == shape
    assert (tensor == 1).all()


def test_normalize_subtracts_and_divides_channel_by_channel():
    x = FLOAT[0].astype(np.float32)
    mean, std = np.float32([0.4, 0.5, 0.6]), np.float32([0.2, 0.3, 0.7])
    expected = np.stack([(x[c] - mean[c]) / std[c] for c in range(3)])
    np.testing.assert_array_equal(Normalize(mean, std)(x), expected)


def test_normalize_does_not_write_into_its_input():
    x = FLOAT.astype(np.float32)
    before = x.copy()
    Normalize(0.5, 0.5).transform_batch(x)
    np.testing.assert_array_equal(x, before)


def test_compose_takes_a_batch_at_once_only_where_every_part_does():
    def flip(image):
        return image[..., ::-1]
    assert batched_form(Compose([ToTensor(), Normalize(0, 1)])) is not None
    assert batched_form(Compose([ToTensor(), flip])) is None
    np.testing.assert_array_equal(Compose([flip, ToTensor()])(GRAY[0]), ToTensor()(GRAY[0])[..., ::-1])


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: ToTensor()(np.zeros((4, 4), np.int64)), TypeError,
     r"uint8 \(0 to 255\), .* or float images, got int64"),
    (lambda: ToTensor()(np.zeros(4, np.uint8)), ValueError,
     r"\(H, W\) or \(H, W, C\), got an array of shape \(4,\)"),
    (lambda: Normalize(0.5, 0.0), ValueError, "must be positive"),
    (lambda: Normalize((0.1, 0.2), (1, 1, 1)), ValueError, "2 means but 3 standard deviations"),
    (lambda: Normalize(float("nan"), 1), ValueError, "finite"),
    (lambda: Normalize((0, 0), (1, 1))(FLOAT[0]), ValueError,
     r"for 2 channels, but an image of shape \(3, 6, 7\) has 3"),
    (lambda: Normalize(0, 1)(GRAY[0]), TypeError, r"put ToTensor\(\) before it"),
    (lambda: Compose([ToTensor(), 3]), TypeError, "3 is none"),
])
def test_what_a_transform_cannot_take_is_refused_with_the_reason(call, error, match):
    with pytest.raises(error, match=match):
        call()
