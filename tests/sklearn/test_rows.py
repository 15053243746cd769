"""The batch rule: a training set is a set of weighted rows."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from cnnkit import random, tensor
from cnnkit.sklearn import CNNClassifier, CNNRegressor
from cnnkit.sklearn.rows import FAINTEST, Batches, Moments, distinct, moments

# what draws, and what mixes rows
EVERYTHING = {"conv": [(4, 3)], "hidden": [16], "dropout": 0.5, "batch_norm": True}


def drawn(n=150, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 36)).astype("float32")
    return X, rng.integers(classes, size=n), rng.integers(0, 5, size=n)


def outputs(estimator, X):
    return estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
@pytest.mark.parametrize("settings", [
    {}, {"batch_size": 7}, {"architecture": EVERYTHING, "batch_size": 40}, {"early_stopping": True},
    {"optimizer": "sgd"}], ids=str)
def test_a_weight_is_as_many_rows_to_the_last_bit(kind, settings):
    X, y, weights = drawn()
    fitted = kind(max_epochs=3, random_state=0,
                  image_shape=(6, 6), **settings).fit(X, y, sample_weight=weights)
    repeated = kind(max_epochs=3, random_state=0,
                    image_shape=(6, 6), **settings).fit(X.repeat(weights, 0), y.repeat(weights))
    np.testing.assert_array_equal(outputs(fitted, X), outputs(repeated, X))


def test_a_weight_is_as_many_rows_with_class_weights_too():
    X, y, weights = drawn()
    for class_weight in ("balanced", {0: 5.0}):
        a, b = (CNNClassifier(max_epochs=2, random_state=0, class_weight=class_weight) for _ in range(2))
        a.fit(X, y, sample_weight=weights), b.fit(X.repeat(weights, 0), y.repeat(weights))
        np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.parametrize("kind", [CNNClassifier, CNNRegressor])
def test_the_order_of_the_rows_makes_no_difference(kind):
    X, y, weights = drawn()
    order = np.random.default_rng(1).permutation(len(X))
    a = kind(max_epochs=2, random_state=0).fit(X, y, sample_weight=weights)
    b = kind(max_epochs=2, random_state=0).fit(X[order], y[order], sample_weight=weights[order])
    np.testing.assert_array_equal(outputs(a, X), outputs(b, X))


def test_the_scale_of_all_weights_makes_no_difference():
    X, y, weights = drawn()
    a, b = (CNNClassifier(max_epochs=2, random_state=0).fit(X, y, sample_weight=weights * scale)
            for scale in (1.0, 2.0 ** -80))
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


def test_classes_of_rows_that_do_not_count_are_no_classes():
    X, y, _ = drawn()
    clf = CNNClassifier(max_epochs=1).fit(X, y, sample_weight=(y != 1).astype(float))
    assert clf.classes_.tolist() == [0, 2]
    assert clf.predict_proba(X).shape == (len(X), 2)


def test_weights_beyond_float32s_range_still_give_finite_losses():
    X, y, _ = drawn(64)
    weights = np.full(64, 1e-300)
    weights[0] = 1e300
    clf = CNNClassifier(max_epochs=2, random_state=0, batch_size=8).fit(X, y, sample_weight=weights)
    assert np.isfinite(clf.history_["loss"]).all()
    assert np.isfinite(clf.predict_proba(X)).all()


def test_distinct_rows_are_those_that_differ_in_pixels_or_target():
    rows = np.array([[1, 2], [1, 2], [2, 1], [1, 2], [1, 2]], "float32")
    targets = np.array([0, 0, 0, 1, 0])
    first, weights = distinct(rows, targets, np.array([1.0, 2.0, 3.0, 4.0, 0.5]))
    assert sorted(zip(first.tolist(), weights.tolist())) == [(0, 3.5), (2, 3.0), (3, 4.0)]


def test_distinct_rows_may_lie_anyhow_in_memory():
    rows = np.asfortranarray(np.random.default_rng(0).normal(size=(20, 3)))
    np.testing.assert_array_equal(distinct(rows, np.arange(20), np.ones(20))[0],
                                  distinct(np.ascontiguousarray(rows), np.arange(20), np.ones(20))[0])


@pytest.mark.parametrize("shape", [(700, 2, 5, 4), (300, 3)])
def test_moments_are_numpys_of_the_repeated_rows(shape):
    rng = np.random.default_rng(0)
    images, weights = rng.normal(1e4, 3.0, size=shape).astype("float32"), rng.integers(1, 4, shape[0])
    found, repeated = moments(images, weights.astype(float)), images.repeat(weights, 0).astype("float64")
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(found.mean, repeated.mean(axis=axes), rtol=1e-12)
    np.testing.assert_allclose(found.scale, repeated.std(axis=axes), rtol=1e-10)


def test_the_deviation_of_a_constant_is_taken_for_1():
    assert moments(np.full((9, 1), 0.1), np.arange(1.0, 10)).scale == (1.0,)
    assert moments(np.full((9, 1), 0.1, "float32"), np.arange(1.0, 10)).scale == (1.0,)
    assert moments(1 + np.arange(9.0)[:, None] * 1e-9,
                   np.ones(9)).scale[0] == pytest.approx(np.arange(9).std() * 1e-9, rel=1e-5)
    assert moments(np.zeros((9, 1)), np.ones(9)) == Moments((0.0,), (1.0,))


@pytest.mark.parametrize(("n", "size", "sizes"),
                         [(33, 32, [17, 16]), (32, 32, [32]), (1, 32, [1]), (100, 32, [25] * 4)])
def test_batches_are_of_equal_size_and_hold_each_row_once(n, size, sizes):
    images = np.arange(n, dtype="float32").reshape(n, 1, 1, 1)
    batches = Batches(images, np.arange(n), np.ones(n), Moments((0.0,), (1.0,)), size, tensor, random.key(0))
    assert len(batches) == len(sizes)
    seen = [(x.numpy(), y.numpy()) for x, y, _ in batches]
    assert [len(y) for _, y in seen] == sizes
    order = np.concatenate([y for _, y in seen])
    assert sorted(order.tolist()) == list(range(n))
    np.testing.assert_array_equal(np.concatenate([x for x, _ in seen]).ravel(), order)
    if n > 1:
        assert np.concatenate([y.numpy() for _, y, _ in batches]).tolist() != order.tolist()


def test_no_weight_is_fainter_than_float32_can_add_up():
    batches = Batches(np.zeros((2, 1, 1, 1)), np.zeros(2, "int64"), np.array([1e-200, 1.0]),
                      Moments((0.0,), (1.0,)), 1, tensor)
    assert [w.item() for _, _, w in batches] == pytest.approx([FAINTEST, 1.0])
