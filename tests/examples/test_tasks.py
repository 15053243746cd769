"""The scripts for tasks other than classification learn something, in a few seconds each."""

import re

import autoencoder
import gan
import multilabel
import numpy as np
import pytest
import regression
import segmentation
import shapes

import cnnkit
from cnnkit.data.datasets import read_image


def figures(capsys):
    """Every number that the script printed."""
    return [float(number) for number in re.findall(r"\d+\.\d+", capsys.readouterr().out)]


@pytest.mark.heavy
def test_segmentation_finds_shapes(capsys):
    segmentation.main(["--images", "640", "--epochs", "4"])
    right, background, *overlaps = figures(capsys)
    assert right > background + 0.03
    assert len(overlaps) == 4
    assert np.mean(overlaps[1:]) > 0.3


@pytest.mark.heavy
def test_several_labels_are_found(capsys):
    multilabel.main(["--images", "1200", "--epochs", "8"])
    right, frequent, _ = figures(capsys)
    assert right > frequent + 0.1


@pytest.mark.heavy
def test_a_place_is_found(capsys):
    regression.main(["--images", "800", "--epochs", "8"])
    off, mean_off = figures(capsys)
    assert off < 0.85 * mean_off


@pytest.mark.heavy
def test_an_autoencoder_loses_less_than_the_mean_image_does(capsys, tmp_path):
    autoencoder.main(["--epochs", "20", "--save", str(tmp_path / "digits.png")])
    error, _, mean_error = figures(capsys)
    assert error < 0.5 * mean_error
    assert read_image(tmp_path / "digits.png", "RGB").shape == (2 * 10 + 2, 16 * 10 + 2, 3)


@pytest.mark.heavy
def test_made_digits_are_more_like_digits_than_noise_is(capsys, tmp_path):
    gan.main(["--epochs", "25", "--save", str(tmp_path / "digits.png")])
    text = capsys.readouterr().out
    sure = {name: float(value) for name, value in re.findall(r"(\w+): the classifier is ([\d.]+)", text)}
    assert sure["noise"] + 0.05 < sure["made"] < sure["real"]
    assert int(re.search(r"made: .* sees (\d+) of", text)[1]) >= 6
    assert read_image(tmp_path / "digits.png", "RGB").std() > 40


def test_masks_and_centres_are_those_of_the_images():
    images, masks, centres = shapes.drawn(40, 0)
    assert images.shape == (40, 1, 32, 32)
    assert images[:, 0][masks > 0].mean() > images[:, 0][masks == 0].mean() + 0.3
    there = ~np.isnan(centres[..., 0])
    for shape in range(3):
        seen = (masks == shape + 1).any((1, 2))
        assert not (seen & ~there[:, shape]).any()
    rows = [np.argwhere(mask == 3).mean(axis=0) for mask in masks if (mask == 3).any()]
    np.testing.assert_allclose(rows, centres[there[:, 2], 2], atol=1.5)  # the last shape is hidden by none
    np.testing.assert_array_equal(multilabel.labels(centres), there)


def test_the_loss_of_labels_overflows_for_no_score():
    scores = cnnkit.tensor([[200.0, -200.0, 0.5]], requires_grad=True)
    loss = multilabel.binary_cross_entropy(scores, cnnkit.tensor([[0.0, 0.0, 1.0]]))
    loss.backward()
    assert abs(loss.item() - (200 + np.log1p(np.exp(-0.5))) / 3) < 1e-4
    np.testing.assert_allclose(scores.grad.numpy(), [[1 / 3, 0, (1 / (1 + np.exp(-0.5)) - 1) / 3]], atol=1e-6)
