"""Transforms by name."""

import numpy as np
import pytest

from cnnkit.data.transforms import NAMES, named


def test_every_name_makes_a_transform_that_keeps_the_images_size():
    x = np.random.default_rng(0).random((4, 3, 16, 24)).astype("float32")
    for name in NAMES:
        assert named(name, x.shape[1:], 3)(x).shape == x.shape


def test_names_and_numbers():
    assert repr(named("flip=0.3, crop,rotate=5,mixup", (1, 28, 20), 10)) == (
        "Compose([RandomHorizontalFlip(p=0.3), RandomCrop(size=(28, 20), padding=3), "
        "RandomRotation(degrees=(-5.0, 5.0), interpolation='bilinear'), MixUp(alpha=0.2, num_classes=10)])")


@pytest.mark.parametrize(("spec", "match"), [
    ("flpi", "augment: there is no transform 'flpi'; did you mean 'flip'"),
    ("", "there is no transform ''; there are flip, vflip"),
    ("flip,,crop", "no transform ''"), ("flip=often", r"'flip=often': flip takes a number \(probability\)"),
    ("crop=1.5", "crop takes a number"),
    ("rotate=nan", "rotate takes a number"), ("flip=", "flip takes a number"),
    ("flip=2", r"'flip=2': RandomHorizontalFlip\(p=2.0\): p is a probability"), ("crop=-1", "none negative"),
])
def test_a_mistake_is_named(spec, match):
    with pytest.raises(ValueError, match=match):
        named(spec, (1, 8, 8))
