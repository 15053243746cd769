"""What notebooks show of a Tensor."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

import cnnkit


def test_it_says_shape_dtype_and_library_and_escapes_the_rest():
    text = cnnkit.tensor([1.0, 2.0], requires_grad=True)._repr_html_()
    assert text.startswith("<p>Tensor of shape (2,), float32, numpy, requires a gradient</p>")
    assert "<img" not in text
    assert "&lt;mul backward&gt;" in (cnnkit.tensor([1.0], requires_grad=True) * 2)._repr_html_()


@pytest.mark.parametrize("shape", [(8, 12), (1, 9, 8), (3, 8, 10)])
def test_a_picture_is_shown_from_its_least_to_its_greatest_number(backend, shape):
    values = np.random.default_rng(0).integers(0, 256, shape)
    values.flat[:2] = 0, 255
    x = backend.asarray((values / 100 - 1).astype("float32"))
    text = cnnkit.Tensor(x)._repr_html_()
    png = base64.b64decode(re.search("base64,([^\"]+)", text)[1])
    found = np.asarray(Image.open(io.BytesIO(png)))
    expected = values.reshape(-1, *shape[-2:]).transpose(1, 2, 0)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("x", [np.zeros((8, 8)), np.full((8, 8), np.nan), np.zeros((4, 9, 9)),
                               np.zeros((2, 9)), np.zeros((9, 9), bool), np.zeros((9, 9), complex)])
def test_what_is_no_picture_has_none(x):
    assert "<img" not in cnnkit.Tensor(x)._repr_html_()
