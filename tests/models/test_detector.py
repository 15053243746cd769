"""The detector: who is responsible for what, its loss, and what it finds."""

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn, optim


def small(**settings):
    return models.fpn_detector(**{"num_classes": 3, "out_channels": 8, "width_mult": 0.125, "in_channels": 1,
                                  **settings})


IMAGE = cnnkit.zeros((1, 1, 64, 64))


def test_places_at_an_objects_centre_are_responsible_for_it_at_the_level_of_its_size():
    target = small().targets(IMAGE, [[[10, 12, 26, 28]]], [[2]])[0].numpy()
    (rows,) = np.nonzero(target[:, 4])
    assert (target[rows] == [10, 12, 26, 28, 3]).all()
    # 16 pixels: the level of stride 4, which is the first: rows of 16 places
    centres = {(4 * (row % 16) + 2, 4 * (row // 16) + 2) for row in rows}
    assert centres == {(x, y) for x in (18,) for y in (18, 22)} | {(18, 18), (18, 22)}


@pytest.mark.parametrize(("side", "level"), [(4, 0), (16, 0), (30, 1), (60, 2)])
def test_larger_objects_are_for_coarser_levels(side, level):
    half = side / 2
    target = small().targets(IMAGE, [[[32 - half, 32 - half, 32 + half, 32 + half]]], [[0]])[0].numpy()
    first = np.cumsum([0, 16 * 16, 8 * 8, 4 * 4, 2 * 2, 1])
    (rows,) = np.nonzero(target[:, 4])
    assert {int(np.searchsorted(first, row, side="right")) - 1 for row in rows} == {level}


def test_one_level_alone_is_responsible_for_every_size():
    model = small(levels=1, extra_level=False)
    assert model(IMAGE).shape == (1, 4, 7)
    target = model.targets(IMAGE, [[[2, 2, 6, 6], [33, 33, 63, 63]]], [[0, 1]])[0].numpy()
    assert target[:, 4].tolist() == [1, 0, 0, 2]


def test_of_two_objects_at_one_place_the_smaller_counts():
    model = small(levels=1, extra_level=False)
    target = model.targets(IMAGE, [[[4, 4, 28, 28], [14, 14, 18, 18]]], [[0, 1]])[0].numpy()
    assert target[0].tolist() == [14, 14, 18, 18, 2]


def test_an_image_without_objects_is_all_background():
    assert not small().targets(IMAGE, [np.zeros((0, 4))], [[]]).any()


def test_the_loss_is_smallest_where_boxes_and_classes_are_right():
    model = small()
    target = model.targets(IMAGE, [[[10, 12, 26, 28]]], [[2]])
    found = (target[..., 4] > 0).numpy()[0]
    right = np.zeros((1, target.shape[1], 7), "float32")
    right[..., 4:] = -20
    right[0, found, 6] = 20
    right[..., :4] = target[..., :4].numpy()
    beside, wrong = right.copy(), right.copy()
    beside[..., :4] += 2
    wrong[0, found, 4:] = [20, -20, -20]
    losses = [models.detection_loss(cnnkit.tensor(y), target).item() for y in (right, beside, wrong)]
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses[1] > 0.1
    assert losses[2] > 1


class OneLevel(nn.Module):
    """Maps of an eighth of the size."""

    out_channels = 8

    def __init__(self):
        super().__init__()
        self.convolve = nn.Conv2d(1, 8, 8, stride=8)

    def forward(self, x):
        return {"0": self.convolve(x)}


def test_an_object_is_found_where_training_showed_it():
    image = np.zeros((1, 1, 32, 32), "float32")
    image[:, :, 8:20, 6:18] = 1
    x, model = cnnkit.tensor(image), models.Detector(OneLevel(), num_classes=3, span=1.5)
    target = model.targets(x, [[[6, 8, 18, 20]]], [[1]])
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        models.detection_loss(model(x), target).backward()
        optimizer.step()
    (found,) = model.detect(x)
    assert found["labels"][0].item() == 1
    np.testing.assert_allclose(found["boxes"][0].numpy(), [6, 8, 18, 20], atol=2)
    assert found["scores"].tolist() == sorted(found["scores"].tolist(), reverse=True)
    assert model.training


def test_boxes_that_are_not_sure_enough_are_left_out():
    (found,) = small().detect(IMAGE, score=0.9)
    assert {name: value.shape for name, value in found.items()} == {
        "boxes": (0, 4), "labels": (0,), "scores": (0,)}
    (found,) = small().detect(IMAGE, score=0.0, limit=7)
    assert found["boxes"].shape == (7, 4)
