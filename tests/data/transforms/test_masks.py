"""Masks follow the pixels of their images through every random transform, and none makes new classes."""

import numpy as np
import pytest

from cnnkit import tensor
from cnnkit.data import ArrayDataset, DataLoader
from cnnkit.data.transforms import (
    ColorJitter,
    Compose,
    CutMix,
    MixUp,
    RandomAffine,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
)
from cnnkit.data.transforms.random_transform import RandomTransform

KEY = (1, 2)
MASKS = np.random.default_rng(0).integers(0, 5, (6, 8, 8))
IMAGES = MASKS[:, None].astype("float32")  # each pixel shows its class
MOVING = [RandomHorizontalFlip(), RandomVerticalFlip(), RandomCrop(6, padding=2), RandomCrop(8, 3, fill=9),
          RandomResizedCrop(4, interpolation="nearest"), RandomRotation(40),
          RandomAffine(20, (0.2, 0.2), (0.5, 2))]


@pytest.mark.parametrize("transform", MOVING, ids=repr)
def test_each_pixel_of_a_mask_goes_where_the_images_pixel_goes(transform):
    images, masks = transform(IMAGES, MASKS, key=KEY)
    assert masks.dtype == MASKS.dtype
    assert masks.shape == images[:, 0].shape
    inside = masks != -100
    np.testing.assert_array_equal(images[:, 0][inside], masks[inside])
    assert inside.mean() > 0.3
    assert not np.array_equal(masks, MASKS)


@pytest.mark.parametrize("transform", [RandomResizedCrop(4), RandomRotation(40, "bilinear")], ids=repr)
def test_interpolation_makes_no_new_classes(transform):
    _, masks = transform(IMAGES, np.where(MASKS > 2, 4, 0), key=KEY)
    assert set(np.unique(masks)) <= {0, 4, -100}


def test_what_stands_outside_an_image_counts_for_nothing_or_is_what_mask_fill_says():
    crop = RandomCrop(8, padding=4)
    assert -100 in crop(IMAGES, MASKS, key=KEY)[1]
    crop.mask_fill = 255
    masks = crop(IMAGES, MASKS, key=KEY)[1]
    assert (masks.max(), masks.min()) == (255, 0)
    assert crop(IMAGES, MASKS.astype("float32"), key=KEY)[1].min() == 0


@pytest.mark.parametrize("transform", [ColorJitter(0.5), RandomErasing(1)], ids=repr)
def test_masks_stay_where_pixels_stay(transform):
    assert transform(IMAGES.repeat(3, axis=1), MASKS, key=KEY)[1] is MASKS


def test_tensors_single_images_and_masks_with_channels_follow_too():
    flip = Compose([RandomHorizontalFlip(1)])
    _, masks = flip(tensor(IMAGES), tensor(MASKS), key=KEY)
    np.testing.assert_array_equal(masks.numpy(), MASKS[..., ::-1])
    _, mask = flip(IMAGES[0], MASKS[0], key=KEY)
    np.testing.assert_array_equal(mask, MASKS[0][:, ::-1])
    np.testing.assert_array_equal(flip(IMAGES, IMAGES, key=KEY)[1], IMAGES[..., ::-1])


def test_labels_and_probabilities_are_left_alone():
    for labels in (np.arange(6), np.eye(6), [1, 2, 3, 4, 5, 6]):
        assert RandomHorizontalFlip(1)(IMAGES, labels)[1] is labels


def test_masks_of_another_size_and_of_transforms_that_do_not_say_what_they_do_are_refused():
    with pytest.raises(ValueError, match=r"masks need the images' height and width"):
        RandomHorizontalFlip()(IMAGES, MASKS[:, :4])

    class Mine(RandomTransform):
        def change(self, x, draws, key):
            return x
    with pytest.raises(TypeError, match="set moves_pixels = True or False in class Mine"):
        Mine()(IMAGES, MASKS)


@pytest.mark.parametrize("mix", [MixUp(num_classes=5), CutMix(num_classes=5)], ids=repr)
def test_mixing_takes_no_masks(mix):
    with pytest.raises(TypeError, match="labels"):
        mix(IMAGES, MASKS)


def test_a_loader_moves_masks_with_its_images():
    loader = DataLoader(ArrayDataset(IMAGES, MASKS), batch_size=3, augment=RandomHorizontalFlip(0.5), seed=0)
    for images, masks in loader:
        np.testing.assert_array_equal(images.numpy()[:, 0], masks.numpy())
