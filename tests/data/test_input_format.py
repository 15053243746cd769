"""What training saw is kept, and images of another kind are refused or said to be so."""

import warnings

import numpy as np
import pytest

from cnnkit.data import ArrayDataset, InputFormat, InputWarning, Subset, datasets
from cnnkit.data.input_format import say_unscaled
from cnnkit.data.transforms import Compose, Normalize, RandomHorizontalFlip, ToTensor

RNG = np.random.default_rng(0)
U = RNG.integers(0, 256, (4, 8, 8), np.uint8)
UNIT = InputFormat((1, 8, 8), 0.0, 1.0)
Y = [0, 1, 0, 1]
NORMALISE = Compose([ToTensor(), Normalize(0.5, 0.2)])


@pytest.mark.parametrize(("dataset", "mean", "std"), [
    (ArrayDataset(U, Y), (0.0,), (1.0,)), (ArrayDataset(U, Y, transform=NORMALISE), (0.5,), (0.2,)),
    (Subset(ArrayDataset(U, Y, transform=NORMALISE), [1, 2]), (0.5,), (0.2,)),
    (ArrayDataset(U, Y, transform=Compose([*NORMALISE.transforms, RandomHorizontalFlip()])), (0.5,), (0.2,)),
    (ArrayDataset(U, Y, transform=lambda image: image / 7), None, None),
    (ArrayDataset(U / 255, Y), (0.0,), (1.0,)), (ArrayDataset(U * 1.0, Y), (0.0,), (1 / 255,)),
    (ArrayDataset(U / 255 - 0.5, Y), None, None)], ids=range(8))
def test_how_pictures_were_normalised_is_known_where_it_can_be(dataset, mean, std):
    learnt = InputFormat.of(dataset.batch([0, 1])[0], dataset)
    assert (learnt.mean, learnt.std) == (mean, std)


def test_a_format_comes_back_from_plain_values_and_damaged_ones_are_refused():
    learnt = InputFormat((3, 8, 8), -1.0, 2.0, (0.5,) * 3, (0.2,) * 3, ("cat", "dog"))
    assert InputFormat.from_dict(learnt.as_dict()) == learnt
    for damage in ({"shape": 3}, {"std": [0.0]}, {"low": "x"}, {"mean": [1, 2]}):
        with pytest.raises(ValueError, match="no format of a network's inputs"):
            InputFormat.from_dict(learnt.as_dict() | damage)
    with pytest.raises(ValueError, match="no format"):
        InputFormat.from_dict([])


@pytest.mark.parametrize(("learnt", "images", "match"), [
    (UNIT, U * 1.0, r"from \d.* to 25\d, .*divide them by 255, or give them as uint8"),
    (InputFormat((1, 8, 8), 0.0, 255.0), U / 255, "multiply them by 255"),
    (InputFormat((1, 8, 8), -2.1, 2.6), U / 255, r"normalise them as for training \(transforms.Normalize\)"),
    (UNIT, U / 128 - 1, "leave out the normalisation"),
    (UNIT, U / 255 / 255, "multiply them as for training, and only once"),
    (InputFormat((1, 8, 8), -2.0, 2.0), U * 2.0 - 255, "divide them as for training")], ids=range(6))
def test_numbers_of_another_range_are_said_to_be_so(learnt, images, match):
    with pytest.warns(InputWarning, match=match):
        learnt.check_range(images[:, None])


@pytest.mark.parametrize("images", [U[:, None] / 255, U[:, None] / 300, np.zeros((4, 1, 8, 8)),
                                    U[:1, None, :2] * 1.0, U.reshape(4, -1) * 1.0], ids=range(5))
def test_the_same_kind_and_what_is_too_little_to_tell_pass(images):
    UNIT.check_range(images)


def test_another_size_is_a_warning_and_other_channels_an_error():
    UNIT.check_shape((4, 1, 8, 8))
    with pytest.warns(InputWarning, match="4 x 6 pixels, but the network has learnt from images of 8 x 8"):
        UNIT.check_shape((4, 1, 4, 6))
    with pytest.raises(ValueError, match=r"3 channels, RGB .*1 channel, gray.*make them gray"):
        UNIT.check_shape((4, 3, 8, 8))
    with pytest.raises(ValueError, match=r"2 channels .*give images of \(1, 8, 8\)"):
        UNIT.check_shape((4, 2, 8, 8))


def test_training_on_unscaled_pixels_is_said_with_the_fix():
    with pytest.warns(InputWarning, match=r"floats from 0 to 255, .*by 255, or give them as uint8"):
        say_unscaled(InputFormat((1, 8, 8), 0.0, 255.0))
    with pytest.warns(InputWarning, match="divide them by 65535; they are taken as they are"):
        say_unscaled(InputFormat((1, 8, 8), 0.0, 4095.0))
    for learnt in (UNIT, InputFormat((1, 8, 8), 0.0, 16.0), InputFormat((64,), 0.0, 900.0),
                   InputFormat((1, 8, 8), -90.0, 90.0)):
        say_unscaled(learnt)


def test_a_warning_points_to_the_line_outside_cnnkit():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        UNIT.check_shape((4, 1, 4, 6))
    assert caught[0].filename == __file__


def test_the_digits_are_known_by_their_shape_and_range():
    digits = datasets.digits()
    learnt = InputFormat.of(digits.batch(range(8))[0], digits)
    assert (learnt.shape, learnt.low, learnt.high, learnt.channels) == ((1, 8, 8), 0.0, 1.0, 1)
