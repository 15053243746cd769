"""The sanity check tells maps of the network from maps of the image."""

import numpy as np
import pytest

import cnnkit
from cnnkit import attribution, models, train
from cnnkit.attribution import sanity_check
from cnnkit.data import datasets


@pytest.fixture(scope="module")
def trained():
    model = models.CommonCNN((1, 8, 8))
    train.fit(model, datasets.digits(), epochs=2, batch_size=64, seed=0, progress=False)
    return model, cnnkit.tensor(datasets.digits(train=False).data[:8])


@pytest.mark.parametrize("method", [attribution.saliency, attribution.integrated_gradients,
                                    attribution.grad_cam])
def test_random_weights_change_the_map(trained, method):
    model, images = trained
    rows = sanity_check(method, model, images)
    assert rows[-1].layer == "features.conv1"
    assert abs(rows[-1].similarity) < 0.4


def test_an_edge_detector_s_map_does_not_change_and_is_found_out(trained):
    model, images = trained
    rows = sanity_check(lambda model, images, target: images, model, images)
    assert [row.similarity for row in rows] == pytest.approx([1.0] * 4)


def test_fewer_comparisons_are_those_of_all_layers(trained):
    model, images = trained
    rows = sanity_check(attribution.saliency, model, images)
    assert sanity_check(attribution.saliency, model, images, most=3) == [rows[0], rows[2], rows[3]]
    assert sanity_check(attribution.saliency, model, images, most=1) == rows[:1]


def test_the_model_itself_stays_as_it_is(trained):
    model, images = trained
    before = [p.numpy().copy() for p in model.parameters()]
    first, again = (sanity_check(attribution.saliency, model, images) for _ in range(2))
    assert first == again
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.parameters()))
