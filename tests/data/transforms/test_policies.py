"""AutoAugment and its kin: the right changes at the right strengths, of Pillow's values."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from cnnkit import random
from cnnkit.data import transforms as T
from cnnkit.data.transforms.policies import POLICIES

RNG = np.random.default_rng(0)
RGB = (RNG.integers(0, 256, (12, 16, 3)) * 0.7 + 20).astype(np.uint8)
KEY = random.key(6)
ALL = [T.AutoAugment(), T.AutoAugment("cifar10"), T.AutoAugment(T.AutoAugmentPolicy.SVHN), T.RandAugment(),
       T.TrivialAugmentWide(), T.AugMix(), T.AugMix(all_ops=False, chain_depth=2)]
PILLOW = {
    "Brightness": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "Color": lambda image: ImageEnhance.Color(image).enhance(1.4),
    "Contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.4),
    "Sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(1.4),
    "Posterize": lambda image: ImageOps.posterize(image, 4),
    "Solarize": lambda image: ImageOps.solarize(image, 90),
    "AutoContrast": ImageOps.autocontrast, "Equalize": ImageOps.equalize, "Invert": ImageOps.invert,
    "Identity": lambda image: image,
    "ShearX": lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0.4, 0, 0, 1, 0)),
    "ShearY": lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0, 0, 0.4, 1, 0)),
    "TranslateX": lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0, -3, 0, 1, 0)),
    "TranslateY": lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0, 0, 0, 1, -3)),
    "Rotate": lambda image: image.rotate(20)}
STRENGTHS = {"Posterize": 4, "Solarize": 90, "TranslateX": 3.7, "TranslateY": 3.7, "Rotate": 20}


@pytest.mark.parametrize("name", PILLOW)
def test_a_change_is_pillows(name, monkeypatch):
    monkeypatch.setattr(T.TrivialAugmentWide, "steps", lambda *_: [(name, STRENGTHS.get(name, 0.4))])
    expected = np.asarray(PILLOW[name](Image.fromarray(RGB))).astype(int)
    difference = np.abs(T.TrivialAugmentWide()(RGB) - expected)
    if name in ("ShearX", "ShearY", "Rotate"):  # between two pixels rounding decides
        assert (difference > 0).mean() < 0.08
    else:
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.05


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_each_image_has_numbers_of_its_own(transform):
    x = np.tile((RGB / 255).astype("float32").transpose(2, 0, 1), (6, 1, 1, 1))
    whole = transform(x, key=KEY)
    assert whole.shape == x.shape
    assert whole.dtype == x.dtype
    assert len({image.tobytes() for image in whole}) > 2
    np.testing.assert_array_equal(transform(x[:2], key=KEY), whole[:2])
    assert transform(x[:0], key=KEY).shape == (0, *x.shape[1:])
    picture = transform(RGB, key=KEY)
    assert picture.dtype == np.uint8
    assert np.abs(picture / 255 - whole[0].transpose(1, 2, 0)).mean() < 0.02


def test_a_level_is_the_papers_strength():
    steps = [step for _ in range(60) for step in T.RandAugment(2, 30).steps(
        331, 662, RNG.random(4).tolist())]
    highest = {name: {abs(strength) for other, strength in steps if other == name} for name, _ in steps}
    assert highest["ShearX"] == {0.3}
    assert highest["TranslateX"] == {300.0}
    assert highest["TranslateY"] == {150.0}
    assert highest["Rotate"] == {30.0}
    assert highest["Posterize"] == {4}
    assert highest["Solarize"] == {0.0}
    assert highest["Color"] == {0.9}
    assert {strength for name, strength in steps if name == "Rotate"} == {30.0, -30.0}
    assert "Invert" not in highest


def test_every_policy_has_25_pairs_and_takes_one():
    assert [len(pairs) for pairs in POLICIES.values()] == [25] * 3
    assert {len(pair) for pairs in POLICIES.values() for pair in pairs} == {2}
    assert T.AutoAugment().steps(10, 10, [0.0, 0.39, 0.61, 0.9, 0.2]) == [("Posterize", 4)]
    assert T.AutoAugment().steps(10, 10, [0.0, 0.9, 0.6, 0.9, 0.2]) == [("Rotate", -30.0)]


@pytest.mark.parametrize("make", [lambda: T.RandAugment(magnitude=31), lambda: T.AugMix(severity=11),
                                  lambda: T.AugMix(alpha=2.0), lambda: T.AutoAugment("mnist"),
                                  lambda: T.TrivialAugmentWide(1)])
def test_bad_settings_are_refused(make):
    with pytest.raises(ValueError, match=r"magnitude|severity|alpha|mnist|num_magnitude_bins"):
        make()


def test_masks_are_refused():
    with pytest.raises(TypeError, match="masks"):
        T.RandAugment()(RGB, np.zeros((12, 16), int))
