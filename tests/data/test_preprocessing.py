"""What pictures go through before a network: settings, and the same of one picture and of many."""

import numpy as np
import pytest
from PIL import Image

from cnnkit.data import ArrayDataset, InputFormat, Preprocessing, transforms
from cnnkit.storage import FormatError

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), np.uint8)
CAFFE = Preprocessing(20, (16, 12), (10.0, 20.0, 30.0), (1.0, 1.0, 2.0), "BGR", 255)


def test_many_pictures_are_what_each_alone_is():
    batch = CAFFE.transform_batch(PICTURES)
    assert (batch.shape, batch.dtype) == ((3, 3, 16, 12), np.float32)
    for one, picture in zip(batch, PICTURES):
        np.testing.assert_array_equal(one, CAFFE(picture))


def test_a_picture_is_resized_cut_out_reversed_and_normalised_in_this_order():
    picture = Image.fromarray(PICTURES[0])
    pixels = np.asarray(transforms.CenterCrop((16, 12))(picture.resize((20, 26), Image.Resampling.BILINEAR)))
    expected = (pixels[..., ::-1].astype(float) - [10, 20, 30]) / [1, 1, 2]
    np.testing.assert_allclose(CAFFE(picture), expected.transpose(2, 0, 1), atol=1e-4)


def test_a_file_an_array_and_a_pillow_image_are_taken(tmp_path):
    plain = Preprocessing(mean=(0.5,), std=(0.25,))
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(PICTURES[0])):
        np.testing.assert_array_equal(plain(image), plain(PICTURES[0]))


def test_gray_pictures_get_three_channels_where_the_network_takes_three():
    assert CAFFE(PICTURES[0, ..., 0]).shape == (3, 16, 12)
    assert Preprocessing()(PICTURES[0, ..., 0]).shape == (1, 40, 30)


@pytest.mark.parametrize(("settings", "match"), [
    ({"channel_order": "GBR"}, "'RGB' or 'BGR'; got 'GBR'"), ({"scale": 2}, "is 1 or 255; got 2"),
    ({"std": (0.0,)}, "must be positive"), ({"resize": 0}, "1 or more"), ({"crop": (0, 3)}, "CenterCrop")])
def test_settings_that_make_no_sense_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Preprocessing(**settings)


def test_floats_are_no_pictures():
    with pytest.raises(TypeError, match=r"float32 of shape \(40, 30, 3\)"):
        CAFFE(PICTURES[0].astype(np.float32))


def test_a_size_that_no_memory_holds_is_refused_before_it_is_taken():
    with pytest.raises(FormatError, match="CNNKIT_LIMIT_IMAGE_PIXELS"):
        Preprocessing(10**6)(PICTURES[0])


@pytest.mark.parametrize("transform", [
    CAFFE, transforms.Compose([transforms.Resize(20), transforms.CenterCrop((16, 12)), transforms.ToTensor(),
                               transforms.Normalize((0.1, 0.2, 0.3), (0.5,) * 3)])])
def test_the_format_of_a_network_repeats_what_its_data_went_through(transform):
    data = ArrayDataset(PICTURES, [0, 1, 2], transform=transform)
    learnt = InputFormat.of(data.batch([0])[0], data)
    again = InputFormat.from_dict(learnt.as_dict())
    assert again == learnt
    np.testing.assert_allclose(again.preprocessing()(PICTURES[1]), data[1][0], atol=1e-4)


def test_formats_that_older_versions_wrote_are_read():
    old = {"shape": [1, 8, 8], "low": 0.0, "high": 1.0, "mean": [0.0], "std": [1.0], "classes": None}
    assert InputFormat.from_dict(old) == InputFormat((1, 8, 8), 0.0, 1.0)
