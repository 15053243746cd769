"""Transforms before `ToTensor`: pictures and Pillow images, as torchvision's users write them."""

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit import random
from cnnkit.data import ArrayDataset
from cnnkit.data import transforms as T

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
KEY = random.key(4)
MOVED = [T.RandomHorizontalFlip(), T.RandomCrop(8, padding=2), T.RandomRotation(40), T.RandomErasing(1),
         T.RandomResizedCrop(5, interpolation="nearest"), T.CenterCrop(4), T.Pad(1)]
every_transform = pytest.mark.parametrize("transform", MOVED, ids=repr)


@every_transform
def test_a_picture_becomes_what_its_floats_become(transform):
    expected = transform(RGB.transpose(2, 0, 1).astype("float32"), key=KEY).transpose(1, 2, 0)
    result = transform(RGB, key=KEY)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(transform(RGB[..., 1], key=KEY), expected[..., 1])
    np.testing.assert_array_equal(np.asarray(transform(Image.fromarray(RGB), key=KEY)), expected)
    np.testing.assert_array_equal(np.asarray(transform(Image.fromarray(RGB[..., 1]), key=KEY)),
                                  expected[..., 1])
    deep = transform(RGB.astype("uint16") * 257, key=KEY)
    assert deep.dtype == np.uint16
    np.testing.assert_array_equal(deep, expected * 257)


@every_transform
def test_a_tensor_of_bytes_has_its_channels_first(transform):
    result = transform(cnnkit.tensor(RGB.transpose(2, 0, 1)), key=KEY)
    assert isinstance(result, cnnkit.Tensor)
    np.testing.assert_array_equal(result.numpy().transpose(1, 2, 0), transform(RGB, key=KEY))


@pytest.mark.parametrize("pictures", [RNG.integers(0, 256, (9, 6, 6, 3), dtype=np.uint8),
                                      RNG.integers(0, 256, (9, 6, 6), dtype=np.uint8)])
def test_a_batch_of_pictures_has_numbers_for_each(pictures):
    crop = T.RandomCrop(4)
    random.seed(0)
    batch = crop.transform_batch(pictures)
    random.seed(0)
    first = pictures if pictures.ndim == 4 else pictures[..., None]
    expected = crop(first.transpose(0, 3, 1, 2).astype("float32")).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(batch, expected.reshape(batch.shape))


def test_a_dataset_takes_them_before_to_tensor():
    pictures = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    whole = T.Compose([T.RandomCrop(8, padding=1), T.ColorJitter(0.2), T.ToTensor(), T.Normalize(0.5, 0.5)])
    data = ArrayDataset(pictures, np.arange(20), transform=whole)
    random.seed(1)
    batch = data.batch(range(20))[0]
    random.seed(1)
    np.testing.assert_array_equal(batch, data.batch(range(20))[0])
    assert batch.shape == (20, 3, 8, 8)
    assert -1 <= batch.min() < -0.5
    assert data[3][0].shape == (3, 8, 8)


def test_colours_of_a_picture_are_those_of_its_floats_within_one_value():
    jitter = T.ColorJitter(0.4, 0.4, 0.4, 0.2)
    result = jitter(RGB, key=KEY)
    expected = jitter(T.ToTensor()(RGB), key=KEY).transpose(1, 2, 0) * 255
    assert np.abs(result - expected).max() <= 0.51
    assert len(np.unique(result)) > 20


def test_values_outside_a_picture_are_its_own():
    assert set(np.unique(T.Pad(1, fill=255)(np.zeros((2, 2), np.uint8)))) == {0, 255}


def test_masks_follow_a_picture():
    mask = np.arange(48).reshape(6, 8)
    picture, moved = T.RandomCrop((4, 5))(mask.astype(np.uint8), mask, key=KEY)
    np.testing.assert_array_equal(picture, moved)
    with pytest.raises(ValueError, match="masks need the images' height and width"):
        T.RandomCrop((4, 5))(RGB, np.zeros((5, 5), int))


@pytest.mark.parametrize("pictures", [RGB, np.stack([RGB, RGB])])
def test_mixing_takes_no_pictures(pictures):
    with pytest.raises((TypeError, ValueError), match="MixUp"):
        T.MixUp(num_classes=2).transform_batch(pictures)
