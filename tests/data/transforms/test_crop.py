"""Crops are slices of the padded image; resized crops are torch's `interpolate` of a slice."""

import numpy as np
import pytest

from cnnkit import random
from cnnkit.data.transforms import RandomCrop, RandomResizedCrop, Resize

KEY = random.key(9)
X = np.random.default_rng(0).random((40, 2, 6, 8)).astype("float32")


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("padding", [None, 2, (3, 1), (0, 1, 2, 3)])
@pytest.mark.parametrize("size", [(6, 8), (4, 3), (1, 1), 5])
def test_a_crop_is_a_slice_of_the_padded_image(mode, padding, size):
    t = RandomCrop(size, padding, fill=0.5, padding_mode=mode)
    left, top, right, bottom = {int: lambda p: (p,) * 4, tuple: lambda p: p * (4 // len(p)),
                                type(None): lambda p: (0,) * 4}[type(padding)](padding)
    settings = {"constant_values": 0.5} if mode == "constant" else {}
    padded = np.pad(X, ((0, 0), (0, 0), (top, bottom), (left, right)), mode, **settings)
    (h, w), (H, W) = t.size, padded.shape[2:]
    corners = set()
    for image, changed, (down, across) in zip(padded, t(X, key=KEY), t.draws(KEY, len(X))):
        i, j = int(down * (H - h + 1)), int(across * (W - w + 1))
        corners.add((i, j))
        np.testing.assert_array_equal(changed, image[:, i:i + h, j:j + w])
    assert len(corners) > min(10, (H - h + 1) * (W - w + 1) / 2)


def test_a_crop_of_the_whole_image_is_the_image():
    np.testing.assert_array_equal(RandomCrop((6, 8))(X), X)


def test_pad_if_needed_adds_what_is_missing_on_both_sides():
    result = RandomCrop((9, 8), pad_if_needed=True)(X, key=KEY)
    padded = np.pad(X, ((0, 0), (0, 0), (3, 3), (0, 0)))
    tops = [[i for i in range(4) if (changed == image[:, i:i + 9]).all()]
            for image, changed in zip(padded, result)]
    assert {len(matches) for matches in tops} == {1}
    assert {i for (i,) in tops} == {0, 1, 2, 3}


def test_every_position_is_equally_likely():
    tops = np.asarray(RandomCrop((3, 8)).draws(KEY, 8000))[:, 0] * 4 // 1
    assert np.bincount(tops.astype(int)) == pytest.approx([2000] * 4, abs=150)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("size", [(6, 8), (3, 4), (11, 5), (1, 1)])
@pytest.mark.parametrize("antialias", [True, False])
def test_a_resized_crop_is_torchs_interpolation_of_a_slice(size, antialias):
    torch = pytest.importorskip("torch")
    t = RandomResizedCrop(size, antialias=antialias)
    x = X.astype("float64")
    for image, changed, row in zip(x, t(x, key=KEY), t.draws(KEY, len(x))):
        i, j, h, w = t.part(6, 8, row)
        part = torch.as_tensor(image[None, :, i:i + h, j:j + w].copy())
        expected = torch.nn.functional.interpolate(part, size, mode="bilinear", align_corners=False,
                                                   antialias=antialias)[0]
        np.testing.assert_allclose(changed, expected, atol=1e-9)


@pytest.mark.parametrize("size", [(6, 8), (3, 4), (11, 5)])
def test_a_nearest_resized_crop_is_torchs(size):
    torch = pytest.importorskip("torch")
    t = RandomResizedCrop(size, interpolation="nearest")
    for image, changed, row in zip(X, t(X, key=KEY), t.draws(KEY, len(X))):
        i, j, h, w = t.part(6, 8, row)
        part = torch.as_tensor(image[None, :, i:i + h, j:j + w].copy())
        expected = torch.nn.functional.interpolate(part, size, mode="nearest")[0]
        np.testing.assert_array_equal(changed, expected)


def test_the_whole_image_at_its_own_size_is_the_image():
    for interpolation in ("bilinear", "nearest"):
        t = RandomResizedCrop((6, 8), scale=(1, 1), ratio=(8 / 6, 8 / 6), interpolation=interpolation)
        np.testing.assert_array_equal(t(X), X)


def test_parts_have_the_requested_areas_and_shapes():
    t = RandomResizedCrop(8, scale=(0.2, 0.5), ratio=(0.5, 2))
    parts = np.asarray([t.part(100, 120, row) for row in t.draws(KEY, 2000)], float)
    area, ratio = parts[:, 2] * parts[:, 3] / 12000, parts[:, 3] / parts[:, 2]
    assert (area > 0.19).all()
    assert (area < 0.51).all()
    assert (ratio > 0.48).all()
    assert (ratio < 2.1).all()
    assert ((parts[:, 0] + parts[:, 2] <= 100) & (parts[:, 1] + parts[:, 3] <= 120)).all()
    assert area.mean() == pytest.approx(0.35, abs=0.02)
    assert (ratio < 1).mean() == pytest.approx(0.5, abs=0.05)


def test_where_nothing_fits_the_largest_part_in_the_middle_is_taken():
    t = RandomResizedCrop(8, scale=(1, 1), ratio=(3 / 4, 4 / 3))
    assert {t.part(30, 6, row) for row in t.draws(KEY, 20)} == {(11, 0, 8, 6)}
    assert {t.part(6, 30, row) for row in t.draws(KEY, 20)} == {(0, 11, 6, 8)}


@pytest.mark.parametrize(("call", "match"), [
    (lambda: RandomCrop((7, 8))(X),
     r"RandomCrop\(size=\(7, 8\)\) got images of 6 x 8 pixels, 6 x 8 with their padding"),
    (lambda: RandomCrop(0), r"size=0\)"), (lambda: RandomCrop((1, 2, 3)), "height and width"),
    (lambda: RandomCrop(2, padding=-1), "none negative"),
    (lambda: RandomCrop(2, padding=(1, 2, 3)), "1, 2 or 4"),
    (lambda: RandomCrop(2, padding_mode="wrap"), "there are constant, edge, reflect, symmetric"),
    (lambda: RandomCrop(2, padding=6, padding_mode="reflect")(X), "got 6 pixels to mirror"),
    (lambda: RandomResizedCrop(4, scale=(0, 1)), "scale"),
    (lambda: RandomResizedCrop(4, ratio=(2, 1)), "ratio"),
])
def test_settings_that_make_no_sense_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_part_is_resized_by_cubic_interpolation_as_a_whole_image_is():
    x = X[:3].astype("float64")
    whole = RandomResizedCrop((4, 13), (1, 1), (8 / 6, 8 / 6), "bicubic")(x, key=KEY)
    np.testing.assert_allclose(whole, Resize((4, 13), "bicubic")(x), rtol=1e-10)
    with pytest.raises(ValueError, match="antialias=True only"):
        RandomResizedCrop(4, interpolation="bicubic", antialias=False)
    with pytest.raises(ValueError, match="'nearest' or 'bilinear' or 'bicubic', got 'cubic'"):
        RandomResizedCrop(4, interpolation="cubic")
