"""Whatever holds numbers becomes one NumPy array, or an error that says what it is and what to do."""

import numpy as np
import pytest
from PIL import Image

from cnnkit import tensor
from cnnkit.data.host import host_array, of_one_shape, pillow_array

X = np.random.default_rng(0).random((4, 2, 3), np.float32)


class Sparse:
    def toarray(self):
        return X


class Frame:
    """As a data frame: no array, but one can be made of it."""

    def __array__(self, dtype=None, copy=None):
        return X


@pytest.mark.parametrize("values", [
    X, tensor(X), X.tolist(), list(X), tuple(X), [tensor(x) for x in X], memoryview(X), Frame(),
    X.astype(">f4"), np.asfortranarray(X), X[::-1][::-1], np.ma.masked_array(X, False),
    np.array([*X, None], object)[:-1]],
    ids=lambda values: type(values).__name__)
def test_all_that_holds_numbers_gives_the_same_array(values):
    array = host_array(values)
    np.testing.assert_array_equal(array, X)
    assert array.dtype.isnative
    assert type(array) is np.ndarray


def test_an_array_is_not_copied_and_a_map_of_a_file_stays_one(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert host_array(X) is X
    assert host_array(mapped) is mapped


def test_arrays_of_every_backend_come_to_the_host(backend):
    np.testing.assert_array_equal(host_array(backend.asarray(X)), X)


@pytest.mark.parametrize(("values", "error", "match"), [
    (Sparse(), TypeError, r"images are a sparse Sparse, .*toarray\(\)"),
    (np.ma.masked_array(X, X > 0.5), ValueError, r"missing values; fill them"),
    (X.astype(str), TypeError, "must be numbers, got text such as '0."),
    (X + 1j, TypeError, "got complex64"),
    (np.array([{}, {}]), TypeError, r"Python objects such as a dict; .*collate_fn="),
    (None, TypeError, "such as a NoneType"),
    ([X[0], X[0, :1]], ValueError, r"number 0 has \(2, 3\), number 1 has \(1, 3\); resize"),
    ([[1, 2], [3]], ValueError, r"number 0 has \(2,\), number 1 has \(1,\)"),
    (np.array([X[0], X[0, :1]], object), ValueError, "one shape"),
    (np.zeros(2, "M8[s]"), TypeError, "got datetime64"),
])
def test_what_holds_no_numbers_is_named_with_the_fix(values, error, match):
    with pytest.raises(error, match=match):
        host_array(values)


def test_labels_that_are_text_are_to_be_numbered():
    for labels in (["a", "b"], np.array(["a", "b"], object)):
        with pytest.raises(TypeError, match=r"labels must be numbers, got text such as 'a'; .*numpy.unique"):
            host_array(labels, "labels")


@pytest.mark.parametrize(("mode", "shape", "dtype"), [
    ("L", (2, 3), "uint8"), ("1", (2, 3), "uint8"), ("LA", (2, 3), "uint8"), ("RGB", (2, 3, 3), "uint8"),
    ("P", (2, 3, 3), "uint8"), ("RGBA", (2, 3, 3), "uint8"), ("CMYK", (2, 3, 3), "uint8"),
    ("I;16", (2, 3), "uint16"), ("F", (2, 3), "float32")])
def test_pillow_images_become_gray_or_rgb_arrays(mode, shape, dtype):
    array = pillow_array(Image.new(mode, (3, 2)))
    assert (array.shape, array.dtype.name) == (shape, dtype)


def test_transparent_pictures_stand_on_white_and_exif_turns_them_upright():
    assert pillow_array(Image.new("RGBA", (3, 2), (0, 0, 0, 0))).min() == 255
    image = Image.fromarray(np.array([[0, 255, 0]], np.uint8))
    image.getexif()[0x0112] = 6  # a quarter turn clockwise
    assert pillow_array(image).shape == (3, 1)


def test_numbers_of_one_shape_are_stacked():
    assert of_one_shape([1, 2, 3]).tolist() == [1, 2, 3]
