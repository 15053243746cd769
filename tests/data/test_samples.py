"""An item may be a pair, a mapping with known names, or a Pillow image; anything else is named."""

from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from PIL import Image

from cnnkit import tensor
from cnnkit.data import DataLoader
from cnnkit.data.samples import IMAGE_NAMES, LABEL_NAMES, input_of, pair_of, stack, stack_images

X = np.random.default_rng(0).random((3, 1, 4, 5), np.float32)
Named = namedtuple("Named", "image label")


class Items(list):
    """Any sequence is a dataset."""


@pytest.mark.parametrize("image", IMAGE_NAMES)
@pytest.mark.parametrize("label", LABEL_NAMES)
def test_mappings_with_known_names_are_pairs(image, label):
    assert pair_of(OrderedDict(index=7, **{label: 2, image: "x"})) == ("x", 2)


@pytest.mark.parametrize("make", [
    lambda x, y: (x, y), lambda x, y: [x, y], Named, lambda x, y: {"image": x, "label": y},
    lambda x, y: {"pixel_values": tensor(x), "labels": tensor(y)}],
    ids=["tuple", "list", "named", "dict", "tensors"])
def test_every_form_of_an_item_makes_the_same_batch(make):
    items = Items(make(x, np.int64(n)) for n, x in enumerate(X))
    (images, labels), = DataLoader(items, batch_size=3)
    np.testing.assert_array_equal(images.numpy(), X)
    assert (labels.tolist(), str(labels.dtype)) == ([0, 1, 2], "int64")


@pytest.mark.parametrize(("item", "match"), [
    ({"photo": X[0], "label": 1}, "keys photo, label; its image must be under one of image.*none of them"),
    ({"image": X[0], "fine": 1}, "keys image, fine; its label must be under one of label.*rename the key"),
    ({"image": X[0], "label": 1, "y": 2}, "it has several: label, y"),
    ((X[0], 1, 2), r"\(image, label\) pairs, but sample 0 is a tuple of 3; give a pair"),
    (X[0], "sample 0 is a ndarray"), (None, "a NoneType"), (5, "a int"), ("text", "a str"),
    ((X[0], None), "sample 0 has no label"), ((X[0], "cat"), "text such as 'cat'; number the classes"),
    ((X[0], {"boxes": []}), "such as a dict.*collate_fn="), ((object(), 1), "such as a object")])
def test_other_items_are_named_with_what_they_must_be(item, match):
    with pytest.raises(TypeError, match=match):
        stack([item], [0])


def test_for_prediction_a_label_may_be_missing():
    image = X[0]
    for item in (image, (image,), (image, None), {"x": image}, [image, 3]):
        assert input_of(item) is image
    with pytest.raises(TypeError, match="sample 4 is a NoneType; give an image"):
        input_of(None, "sample 4")


def test_pictures_with_the_channels_first_or_last_are_the_same_images():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 6, 7, 3), np.uint8)
    expected = stack_images(list(pictures), range(2))
    assert (expected.shape, expected.dtype) == ((2, 3, 6, 7), np.float32)
    np.testing.assert_array_equal(stack_images(list(pictures.transpose(0, 3, 1, 2)), range(2)), expected)
    np.testing.assert_array_equal(stack_images([Image.fromarray(p) for p in pictures], range(2)), expected)


def test_pictures_of_sixteen_bits_are_scaled_by_their_own_white():
    picture = np.array([[0, 65535]], np.uint16)
    for form in (picture, picture.astype(">u2"), Image.fromarray(picture)):
        assert stack_images([form], [0]).tolist() == [[[[0.0, 1.0]]]]


def test_a_picture_beside_a_float_image_is_scaled_all_the_same():
    batch = stack_images([np.full((2, 2), 255, np.uint8), np.ones((1, 2, 2), np.float32)], range(2))
    assert batch.min() == batch.max() == 1


def test_pictures_of_two_sizes_are_named():
    with pytest.raises(ValueError, match=r"image 5 of the dataset has shape \(1, 2, 2\), image 6 has \(3, 2"):
        stack_images([Image.new("L", (2, 2)), Image.new("RGB", (2, 2))], [5, 6])
