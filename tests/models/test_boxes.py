"""Overlaps of boxes, and which are kept."""

import numpy as np
import pytest

import cnnkit
from cnnkit.models import boxes


def drawn(count, seed):
    corners = np.random.default_rng(seed).uniform(0, 20, size=(count, 2, 2))
    return np.concatenate([corners.min(1), corners.max(1)], axis=1)


def filled(box):
    left, top, right, bottom = box.astype(int)
    mask = np.zeros((20, 20))
    mask[top:bottom, left:right] = 1
    return mask


def test_intersection_over_union_counts_pixels():
    a, b = (np.round(drawn(6, seed)) for seed in (0, 1))
    masks = [[filled(box) for box in each] for each in (a, b)]
    expected = [[(m * n).sum() / max(np.maximum(m, n).sum(), 1) for n in masks[1]] for m in masks[0]]
    np.testing.assert_allclose(boxes.box_iou(cnnkit.tensor(a), cnnkit.tensor(b)).numpy(), expected, atol=1e-9)


def test_of_boxes_that_overlap_the_surest_is_kept():
    found = drawn(40, 2)
    scores = np.random.default_rng(3).random(40)
    kept = boxes.nms(cnnkit.tensor(found), cnnkit.tensor(scores), 0.3)
    overlaps = boxes.box_iou(cnnkit.tensor(found), cnnkit.tensor(found)).numpy()
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for number in range(40):
        surer = [k for k in kept if scores[k] > scores[number] and overlaps[k, number] > 0.3]
        assert (number in kept) == (not surer)


def test_no_boxes_are_no_boxes():
    assert boxes.nms(cnnkit.zeros((0, 4)), cnnkit.zeros((0,)), 0.5) == []


def test_generalised_overlap_takes_off_the_part_around_both_that_is_neithers():
    a, b = (cnnkit.tensor(box) for box in ([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]))
    assert boxes.generalized_iou(a, b).item() == pytest.approx(1 / 7 - 2 / 9)


def test_generalised_overlap_has_a_slope_where_boxes_do_not_meet():
    a = cnnkit.tensor([0.0, 0.0, 1.0, 1.0], requires_grad=True)
    boxes.generalized_iou(a, cnnkit.tensor([5.0, 5.0, 6.0, 6.0])).backward()
    assert a.grad[2].item() > 0
