"""Losses: PyTorch's meaning of every argument, loops, and labels that do not exist."""

import functools
import itertools
import math

import numpy as np
import pytest
from against_torch import PLACES, Place, compare, run

from cnnkit import backends
from cnnkit.ops.loss import cross_entropy, mse_loss, nll_loss

SHAPES = [(5,), (4, 5), (1, 1), (2, 3, 4, 5), (0, 3)]
REDUCTIONS = ["mean", "sum", "none"]
PLAIN = {"ignore_index": -100, "reduction": "mean", "label_smoothing": 0.0}


@pytest.fixture(params=PLACES)
def place(request):
    return Place(request.param)


@pytest.fixture(params=[*PLACES, "jax"])
def anywhere(request):
    return Place(request.param)


@pytest.fixture
def F():
    return pytest.importorskip("torch").nn.functional


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def classes(shape):
    return shape[1] if len(shape) > 1 else shape[0]


def labels(rng, shape):
    return rng.integers(0, classes(shape), (shape[0], *shape[2:]) if len(shape) > 1 else ())


def probabilities(rng, shape):
    p = rng.random(shape)
    return p / p.sum(1 if len(shape) > 1 else 0, keepdims=True)


def torch_weight(weight):
    import torch
    return None if weight is None else torch.tensor(weight)


def with_weight(op, place, weight):
    """An op of input and target with its class weights fixed: PyTorch has no gradient for them either."""
    def fixed(x, target, *, needs, **attrs):
        outputs, backward = op(x, target, place.array(weight), needs=[*needs, False], **attrs)
        return outputs, (lambda dy: backward(dy)[:2]) if backward else None
    return fixed


@pytest.mark.needs("torch")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_of_class_indices_equals_pytorch(place, F, rng, shape, weighted):
    weight = rng.random(classes(shape)) if weighted else None
    arrays = [rng.normal(0, 2, shape), labels(rng, shape)]
    for reduction, label_smoothing in itertools.product(REDUCTIONS, [0.0, 0.2]):
        settings = {"ignore_index": -100, "reduction": reduction, "label_smoothing": label_smoothing}
        compare(place, with_weight(cross_entropy, place, weight),
                functools.partial(F.cross_entropy, weight=torch_weight(weight), **settings), arrays, settings)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_of_probabilities_equals_pytorch_in_both_gradients(place, F, rng, shape, weighted):
    weight = rng.random(classes(shape)) if weighted else None
    arrays = [rng.normal(0, 2, shape), probabilities(rng, shape)]
    for reduction, label_smoothing in itertools.product(REDUCTIONS, [0.0, 0.2]):
        settings = {"ignore_index": -100, "reduction": reduction, "label_smoothing": label_smoothing}
        compare(place, with_weight(cross_entropy, place, weight),
                functools.partial(F.cross_entropy, weight=torch_weight(weight), **settings), arrays, settings)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("ignore_index", [-100, 2])
@pytest.mark.parametrize("shape", [(6, 5), (3, 4, 5)])
def test_ignored_samples_count_for_nothing_as_in_pytorch(place, F, rng, shape, ignore_index, reduction):
    arrays = [rng.normal(0, 2, shape), labels(rng, shape)]
    arrays[1][0] = ignore_index
    settings = {"ignore_index": ignore_index, "reduction": reduction}
    for weight, smooth in itertools.product([rng.random(shape[1]), None],
                                            [{"label_smoothing": 0.0}, {"label_smoothing": 0.2}]):
        compare(place, with_weight(cross_entropy, place, weight),
                functools.partial(F.cross_entropy, weight=torch_weight(weight), **settings, **smooth), arrays,
                {**settings, **smooth})
        compare(place, with_weight(nll_loss, place, weight),
                functools.partial(F.nll_loss, weight=torch_weight(weight), **settings), arrays, settings)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_nll_loss_equals_pytorch(place, F, rng, shape, reduction):
    attrs = {"ignore_index": -100, "reduction": reduction}
    compare(place, with_weight(nll_loss, place, None), lambda x, t: F.nll_loss(x, t, **attrs),
            [rng.normal(size=shape), labels(rng, shape)], attrs)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
def test_the_mean_over_ignored_samples_only_is_nan_and_its_gradient_zero(place, label_smoothing):
    arrays = [np.ones((2, 3)), np.array([-100, -100]), None]
    attrs = {**PLAIN, "label_smoothing": label_smoothing}
    (loss,), (dx, _, _) = run(place, cross_entropy, arrays, attrs)
    assert math.isnan(loss)
    assert not dx.any()
    (loss,), (dx, _, _) = run(place, nll_loss, arrays, {"ignore_index": -100, "reduction": "mean"})
    assert math.isnan(loss)
    assert not dx.any()


def test_cross_entropy_is_its_definition(anywhere, rng):
    x, target, weight = rng.normal(size=(4, 3)), [0, 2, 1, 2], [0.5, 1.0, 2.0]
    total = sum(weight[t] for t in target)
    expected = -sum(weight[t] * math.log(math.exp(x[n, t]) / sum(math.exp(v) for v in x[n]))
                    for n, t in enumerate(target)) / total
    gradient = [[weight[t] * (math.exp(x[n, c]) / sum(math.exp(v) for v in x[n]) - (c == t)) / total
                 for c in range(3)]
                for n, t in enumerate(target)]
    (loss,), (dx, _, _) = run(anywhere, cross_entropy, [x, np.array(target), np.array(weight)], PLAIN,
                              needs=[True, False, False])
    np.testing.assert_allclose(loss, expected, **anywhere.close)
    np.testing.assert_allclose(dx, gradient, **anywhere.close)


def test_scores_of_any_size_do_not_overflow(place, F):
    compare(place, with_weight(cross_entropy, place, None), F.cross_entropy,
            [np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, 1e4]]), np.array([1, 2])], PLAIN)


def test_a_class_that_is_ruled_out_by_minus_infinity_costs_nothing_unless_it_is_the_target(place):
    x = np.array([[-math.inf, 0.0, 0.0]])
    for target in np.array([1]), np.array([[0.0, 1.0, 0.0]]):
        (loss,), (dx, _, _) = run(place, cross_entropy, [x, target, None], PLAIN, needs=[True, False, False])
        np.testing.assert_allclose(loss, math.log(2), **place.close)
        np.testing.assert_allclose(dx, [[0, -0.5, 0.5]], **place.close)
    (loss,), _ = run(place, cross_entropy, [x, np.array([0]), None], PLAIN, needs=[False] * 3)
    assert loss == math.inf


def test_an_ignored_sample_may_have_infinite_scores(place):
    x = np.array([[-math.inf, 0.0], [0.0, 0.0]])
    for op, attrs in (cross_entropy, PLAIN), (nll_loss, {"ignore_index": -100, "reduction": "mean"}):
        (loss,), (dx, _, _) = run(place, op, [x, np.array([-100, 1]), None], attrs)
        np.testing.assert_allclose(loss, math.log(2) if op is cross_entropy else 0, **place.close)
        assert not dx[0].any()


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_the_gradient_of_one_loss_touches_its_own_sample_and_class_alone(place, bad):
    x, dy = np.zeros((3, 2)), np.array([bad, bad, 2.0])
    attrs = {"ignore_index": -100, "reduction": "none"}
    _, (dx, _, _) = run(place, nll_loss, [x, np.array([-100, 1, 0]), None], attrs, dy)
    np.testing.assert_array_equal(dx, [[0, 0], [0, -bad], [-2, 0]])
    _, (dx, _, _) = run(place, cross_entropy, [x, np.array([-100, 1, 0]), None], {**PLAIN, **attrs}, dy)
    np.testing.assert_array_equal(dx, [[0, 0], [bad, -bad], [-1, 1]])


def test_nan_scores_give_a_nan_loss(place):
    x = np.array([[math.nan, 0.0], [0.0, 0.0]])
    (loss,), (dx, _, _) = run(place, cross_entropy, [x, np.array([0, 1]), None],
                              {**PLAIN, "reduction": "none"})
    assert np.isnan(loss).tolist() == [True, False]
    assert np.isnan(dx).any(1).tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "uint8", "uint32", "uint64"])
def test_labels_of_any_integer_dtype(place, dtype, rng):
    x, target = rng.normal(size=(4, 300)), np.array([0, 255, 3, 1])
    (expected,), _ = run(place, cross_entropy, [x, target, None], PLAIN)
    with place.tables():
        (loss,), _ = cross_entropy(place.array(x), place.backend.asarray(target, dtype), None, **PLAIN)
    assert place.numpy(loss) == expected


@pytest.mark.parametrize("bad", [-1, 3, 99])
def test_a_label_that_does_not_exist_makes_loss_and_gradient_nan_on_the_device(bad, rng):
    for name in ("generic", "array-api-strict", "jax"):
        place = Place(name)
        for op, attrs in (cross_entropy, PLAIN), (nll_loss, {"ignore_index": -100, "reduction": "mean"}):
            (loss,), (dx, _, _) = run(place, op, [rng.normal(size=(2, 3)), np.array([0, bad]), None], attrs)
            assert math.isnan(loss)
            assert np.isnan(dx).any(1).tolist() == [False, True]


def test_a_large_label_does_not_become_a_small_one():
    with backends.tables():
        (loss,), _ = cross_entropy(np.zeros((1, 3)), np.array([2**32 + 1], np.uint64), None, **PLAIN)
    assert math.isnan(loss)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("bad", [-1, 3])
def test_a_label_that_does_not_exist_raises_on_numpy_and_says_where(bad, label_smoothing):
    message = (rf"cross_entropy got the label {bad} at position 1 of the target, "
               "but the input has 3 classes: labels are 0 to 2")
    with pytest.raises(ValueError, match=message):
        cross_entropy(np.zeros((3, 3)), np.array([0, bad, 7]), None,
                      **{**PLAIN, "label_smoothing": label_smoothing})
    with pytest.raises(ValueError, match=rf"nll_loss got the label {bad} at position \(1, 0\)"):
        nll_loss(np.zeros((2, 3, 1)), np.array([[0], [bad]]), None, ignore_index=-100, reduction="mean")


@pytest.mark.needs("torch")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (0, 3)])
def test_mse_loss_equals_pytorch(place, F, rng, shape, reduction):
    compare(place, mse_loss, lambda x, t: F.mse_loss(x, t, reduction=reduction),
            [rng.normal(size=shape), rng.normal(size=shape)], {"reduction": reduction})


def test_float16_is_accumulated_in_float32():
    x, target = np.zeros((4096, 2), np.float16), np.zeros(4096, np.int64)
    for tables in ("numpy",), ():
        with backends.tables(*tables):
            (loss,), backward = cross_entropy(x, target, None, needs=[True, False, False],
                                              **{**PLAIN, "reduction": "sum"})
            assert loss.dtype == backward(np.ones((), np.float16))[0].dtype == np.float16
            assert loss == np.float16(4096 * math.log(2))
            (loss,), backward = mse_loss(x, x + 1, needs=[True, True], reduction="mean")
            assert loss == 1
            assert backward(np.ones((), np.float16))[1].dtype == np.float16


def test_nothing_is_saved_where_nothing_is_needed(place, rng):
    x, target = place.array(rng.normal(size=(2, 3))), place.array(np.array([0, 1]))
    with place.tables():
        assert cross_entropy(x, target, None, **PLAIN)[1] is None
        assert nll_loss(x, target, None, ignore_index=-100, reduction="mean")[1] is None
        assert mse_loss(x, x, reduction="mean")[1] is None


def test_backward_may_be_called_twice(place, rng):
    x, target = place.array(rng.normal(size=(2, 3))), place.array(np.array([0, 1]))
    with place.tables():
        _, backward = cross_entropy(x, target, None, needs=[True, False, False], **PLAIN)
        one = place.array(np.ones(()))
        np.testing.assert_array_equal(place.numpy(backward(one)[0]), place.numpy(backward(one)[0]))


@pytest.mark.parametrize(("shapes", "attrs", "message"), [
    (((4, 3), (5,), None), {},
     r"input of shape \(4, 3\) and class indices of shape \(5,\); they need shape \(4,\)"),
    (((4, 3), (4, 3), None), {}, "convert one-hot targets to floating point"),
    (((4, 3), (4,), (2,)), {}, r"weight of shape \(2,\) for 3 classes"),
    (((), (), None), {}, "without axes"),
    (((4, 0), (4,), None), {}, "no classes"),
    (((4, 3), (4,), None), {"reduction": "average"},
     "reduction='average'; it is one of 'mean', 'sum', 'none'"),
    (((4, 3), (4,), None), {"label_smoothing": 1.5}, "label_smoothing between 0 and 1"),
])
def test_what_does_not_fit_raises(shapes, attrs, message):
    x, target, weight = shapes
    with pytest.raises(ValueError, match=message):
        cross_entropy(np.zeros(x), np.zeros(target, int), None if weight is None else np.zeros(weight),
                      **{**PLAIN, **attrs})


def test_floating_point_labels_raise_with_the_fix():
    with pytest.raises(ValueError, match=r"floating-point target of shape \(4,\); "
                       r"probabilities .* class indices must be integers"):
        cross_entropy(np.zeros((4, 3)), np.zeros(4), None, **PLAIN)
    with pytest.raises(TypeError, match="nll_loss needs integer class indices; the target is float64"):
        nll_loss(np.zeros((4, 3)), np.zeros(4), None, ignore_index=-100, reduction="mean")
    with pytest.raises(TypeError, match="the target is bool"):
        cross_entropy(np.zeros((4, 3)), np.zeros(4, bool), None, **PLAIN)


def test_a_gradient_for_the_class_weights_is_refused():
    with pytest.raises(ValueError, match=r"no gradient with respect to weight; pass weight\.detach\(\)"):
        cross_entropy(np.zeros((4, 3)), np.zeros(4, int), np.ones(3), needs=[False, False, True], **PLAIN)
    with pytest.raises(ValueError, match="no gradient with respect to weight"):
        nll_loss(np.zeros((4, 3)), np.zeros(4, int), np.ones(3), needs=[False, False, True],
                 ignore_index=-100, reduction="mean")


def test_mse_loss_broadcasts_nothing_silently():
    with pytest.raises(ValueError, match=r"input of shape \(4, 1\) and a target of shape \(4,\)"):
        mse_loss(np.zeros((4, 1)), np.zeros(4), reduction="mean")
    with pytest.raises(TypeError, match="dtype float64 and a target of dtype float32"):
        mse_loss(np.zeros(4), np.zeros(4, np.float32), reduction="mean")
