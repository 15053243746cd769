"""Conversions between Pillow's images, Tensors and dtypes, and callables of others in `Compose`."""

import types

import numpy as np
import pytest
from PIL import Image

import cnnkit
from cnnkit.data import transforms as T

RNG = np.random.default_rng(0)
ALL = np.arange(256, dtype=np.uint8).reshape(16, 16)
RGB = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize("picture", [ALL, RGB])
def test_there_and_back_is_the_same_picture(picture):
    for tensor in (T.ToTensor()(picture), T.PILToTensor()(Image.fromarray(picture)),
                   cnnkit.tensor(T.ToTensor()(picture))):
        image = T.ToPILImage()(tensor)
        assert image.mode == ("L" if picture.ndim == 2 else "RGB")
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_modes():
    four = RNG.integers(0, 256, (2, 3, 4), dtype=np.uint8)
    assert T.ToPILImage()(four).mode == "RGBA"
    assert T.ToPILImage("CMYK")(four).mode == "CMYK"
    np.testing.assert_array_equal(np.asarray(T.ToPILImage("CMYK")(four)), four)
    assert T.ToPILImage()(four[..., :2]).mode == "LA"
    assert T.ToPILImage("F")(np.ones((1, 2, 3), "float32")).getpixel((0, 0)) == 1
    assert T.ToPILImage()(four[..., 0].astype("uint16")).mode == "I;16"
    with pytest.raises(ValueError, match="1 to 4 channels"):
        T.ToPILImage()(np.zeros((5, 2, 2)))
    with pytest.raises(ValueError, match="two or three axes"):
        T.ToPILImage()(np.zeros((1, 1, 2, 2)))


def test_dtypes_keep_the_brightness(backend):
    def of(dtype, values):
        result = T.ConvertImageDtype(dtype)(backend.asarray(values))
        assert str(result.dtype).endswith(dtype)
        return backend.to_numpy(result)

    # JAX multiplies by the rounded 1 / 255
    np.testing.assert_allclose(of("float32", ALL), ALL.astype("float32") / 255,
                               rtol=1e-6 if backend.name == "jax" else 0)
    np.testing.assert_array_equal(of("uint8", ALL.astype("float32") / 255), ALL)
    shares = np.asarray([0.0, 0.5, 0.999, 1.0], "float32")
    np.testing.assert_array_equal(of("uint8", shares), [0, 127, 255, 255])
    np.testing.assert_array_equal(of("int32", ALL), ALL.astype("int32") * 2**23)
    np.testing.assert_array_equal(of("uint8", ALL.astype("int32") * 2**23), ALL)
    if backend.name != "jax":  # it has float32 at most, unless it is told otherwise
        np.testing.assert_array_equal(of("float64", np.ones(2, "float32")), [1, 1])


def test_dtypes_that_do_not_fit_are_refused():
    with pytest.raises(TypeError, match="too coarse"):
        T.ConvertImageDtype("int32")(np.ones((1, 1, 1), "float32"))
    with pytest.raises(TypeError, match="complex64"):
        T.ConvertImageDtype("complex64")
    with pytest.raises(TypeError, match="PILToTensor"):
        T.ConvertImageDtype("float32")(Image.fromarray(RGB))


def test_torchvisions_usual_chain_gives_what_to_tensor_gives():
    chain = T.Compose([T.PILToTensor(), T.ConvertImageDtype(cnnkit.float32)])
    np.testing.assert_array_equal(chain(Image.fromarray(RGB)).numpy(), T.ToTensor()(RGB))


def test_functions_and_albumentations_are_called_per_image():
    base = type("BasicTransform", (), {"__module__": "albumentations.core.transforms_interface"})

    class Mirror(base):
        def __call__(self, *, image):
            return {"image": image[:, ::-1]}

    chain = T.Compose([Mirror(), types.SimpleNamespace, T.Lambda(lambda space: space), T.ToTensor()])
    chain.transforms[1] = np.ascontiguousarray
    np.testing.assert_array_equal(chain(RGB), T.ToTensor()(RGB[:, ::-1]))
    with pytest.raises(TypeError, match="Lambda"):
        T.Lambda(3)


def test_a_linear_map_of_images():
    x = RNG.random((5, 2, 2, 3))
    matrix, mean = RNG.random((12, 12)), RNG.random(12)
    expected = ((x.reshape(5, 12) - mean) @ matrix).reshape(x.shape)
    np.testing.assert_allclose(T.LinearTransformation(matrix, mean)(x), expected)
    with pytest.raises(ValueError, match=r"\(D, D\)"):
        T.LinearTransformation(matrix[:3], mean)
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\)"):
        T.LinearTransformation(matrix, mean)(x[..., :2])
