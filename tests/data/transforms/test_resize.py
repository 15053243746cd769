"""Resize: Pillow's values, for pictures and floats, and the sizes of torchvision."""

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit.data.transforms import InterpolationMode, Resize

PICTURE = np.random.default_rng(0).integers(0, 256, (19, 30, 3), dtype=np.uint8)
MODES = ["bilinear", "bicubic", "nearest-exact"]


def pillow(array, size, mode):
    return Image.fromarray(array).resize(size[::-1], Image.Resampling[mode.replace("-exact", "").upper()])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(7, 12), (40, 36), (19, 16), (8, 60)])  # no pixel's middle lies on an edge
def test_a_picture_gets_pillows_values(mode, size):
    expected = np.asarray(pillow(PICTURE, size, mode)).astype(int)
    result = Resize(size, mode)(PICTURE)
    assert result.dtype == np.uint8
    difference = np.abs(result - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.05  # where rounding decides
    gray = Resize(size, mode)(PICTURE[..., 0])
    np.testing.assert_array_equal(gray, result[..., 0])


@pytest.mark.parametrize("mode", MODES)
def test_floats_get_pillows_values(mode, backend):
    floats = PICTURE[..., 0].astype("float32") / 255
    expected = np.asarray(pillow(floats, (9, 44), mode))
    result = backend.to_numpy(Resize((9, 44), mode)(backend.asarray(floats[None])))
    np.testing.assert_allclose(result[0], expected, atol=2e-6)


@pytest.mark.parametrize("mode", [*MODES[:2], "lanczos", InterpolationMode.BOX])
def test_a_pillow_image_is_resized_by_pillow(mode):
    result = Resize(10, mode)(Image.fromarray(PICTURE))
    name = mode if isinstance(mode, str) else mode.value
    np.testing.assert_array_equal(np.asarray(result), np.asarray(pillow(PICTURE, (10, 15), name)))


@pytest.mark.parametrize(("size", "max_size", "shape", "expected"), [
    (256, None, (480, 640), (256, 341)), (256, None, (640, 480), (341, 256)), ([5], None, (3, 3), (5, 5)),
    (256, 300, (480, 640), (225, 300)), ((4, 9), None, (7, 7), (4, 9)), (3, None, (3, 8), (3, 8))])
def test_one_number_is_the_shorter_side(size, max_size, shape, expected):
    assert Resize(size, max_size=max_size).size_of(*shape) == expected


@pytest.mark.parametrize("settings", [{"align_corners": False}, {"antialias": True}])
def test_tensors_get_torchs_values(settings):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).random((2, 3, 9, 14))
    expected = torch.nn.functional.interpolate(torch.tensor(x), (5, 20), mode="bilinear", **settings)
    result = Resize((5, 20), antialias="antialias" in settings)(cnnkit.tensor(x))
    np.testing.assert_allclose(result.numpy(), expected.numpy(), rtol=1e-10)


def test_masks_are_read_at_the_nearest_pixel_and_the_generator_is_left_alone():
    x, masks = np.zeros((2, 1, 4, 4), "float32"), np.arange(32).reshape(2, 4, 4)
    state = cnnkit.random.get_state()
    images, small = Resize(2)(x, masks)
    assert images.shape == (2, 1, 2, 2)
    np.testing.assert_array_equal(small, masks[:, ::2, ::2])
    assert cnnkit.random.get_state() == state


@pytest.mark.parametrize("settings", [{"size": 0}, {"size": (1, 2, 3)}, {"size": (4, 4), "max_size": 9},
                                      {"size": 4, "interpolation": "cubic"}, {"size": 4, "max_size": 4}])
def test_settings_that_fit_nothing_are_refused(settings):
    with pytest.raises(ValueError, match=r"Resize\("):
        Resize(**settings)


def test_filters_that_are_pillows_alone_are_refused_for_arrays():
    with pytest.raises(ValueError, match="is for Pillow images"):
        Resize(4, "lanczos")(PICTURE)
