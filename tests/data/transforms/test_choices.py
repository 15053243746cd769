"""Transforms at random: each image of a batch has numbers of its own, and masks go with it."""

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit import random
from cnnkit.data import transforms as T

X = np.random.default_rng(0).random((30, 1, 4, 5)).astype("float32")
KEY = random.key(3)
INVERT, FLIP = T.RandomInvert(1), T.RandomHorizontalFlip(1)
CHOICES = [T.RandomApply([INVERT, FLIP], p=0.4), T.RandomChoice([INVERT, FLIP]),
           T.RandomOrder([T.RandomAffine(0, (0.5, 0.5)), FLIP])]
every_choice = pytest.mark.parametrize("transform", CHOICES, ids=lambda t: type(t).__name__)


def test_all_or_none():
    result = CHOICES[0](X, key=KEY)
    changed = (result != X).any((1, 2, 3))
    assert 4 < changed.sum() < 22
    np.testing.assert_array_equal(result[changed], 1 - X[changed][..., ::-1])
    np.testing.assert_array_equal(result[~changed], X[~changed])


def test_one_of_several():
    result = T.RandomChoice([INVERT, FLIP], p=[3, 1])(X, key=KEY)
    inverted = [(after == 1 - before).all() for after, before in zip(result, X)]
    flipped = [(after == before[..., ::-1]).all() for after, before in zip(result, X)]
    assert sum(inverted) + sum(flipped) == 30
    assert sum(inverted) > 15 > sum(flipped) > 0


def test_any_order():
    steps = [T.Lambda(lambda image: image + 1), T.Lambda(lambda image: image * 2)]
    result = T.RandomOrder(steps)(X, key=KEY)
    first = np.isclose(result, (X + 1) * 2).all((1, 2, 3))
    assert (first | np.isclose(result, X * 2 + 1).all((1, 2, 3))).all()
    assert 0 < first.sum() < 30


@every_choice
def test_the_numbers_of_an_image_do_not_depend_on_the_batch_size_or_library(transform, backend):
    whole = transform(X, key=KEY)
    np.testing.assert_array_equal(transform(X[:3], key=KEY), whole[:3])
    np.testing.assert_array_equal(transform(X[0], key=KEY), whole[0])
    assert transform(X[:0], key=KEY).shape == X[:0].shape
    np.testing.assert_array_equal(backend.to_numpy(transform(backend.asarray(X), key=KEY)), whole)
    assert isinstance(transform(cnnkit.tensor(X), key=KEY), cnnkit.Tensor)


@every_choice
def test_masks_go_with_their_images_and_labels_stay(transform):
    masks = (X[:, 0] * 9).astype(int)
    moving = type(transform)([FLIP, T.RandomVerticalFlip(1)])
    images, moved = moving(masks[:, None].astype("float32"), masks, key=KEY)
    np.testing.assert_array_equal(images[:, 0], moved)
    labels = np.arange(30)
    assert transform(X, labels, key=KEY)[1] is labels


def test_pictures_are_taken_one_or_many():
    pictures = (X[:, 0] * 255).astype(np.uint8)
    apply = T.RandomApply([FLIP], p=1)
    np.testing.assert_array_equal(np.asarray(apply(Image.fromarray(pictures[0]))), pictures[0, :, ::-1])
    np.testing.assert_array_equal(apply.transform_batch(pictures), pictures[..., ::-1])


@pytest.mark.parametrize("make", [lambda: T.RandomChoice([FLIP], p=[1, 2]),
                                  lambda: T.RandomChoice([FLIP], p=[0]), lambda: T.RandomApply([FLIP], p=2),
                                  lambda: T.RandomOrder([]),
                                  lambda: T.RandomApply(FLIP), lambda: T.RandomOrder([3])])
def test_bad_settings_are_refused(make):
    with pytest.raises((ValueError, TypeError), match="Random"):
        make()
