"""`CNNRegressor`: what it learns, in any number of outputs and on any scale."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from sklearn.datasets import load_digits

from cnnkit.sklearn import CNNRegressor


@pytest.fixture(scope="module")
def ink():
    """Images, and where the middle of their ink is, in rows and columns."""
    images = load_digits().images[:600]
    total = images.sum(axis=(1, 2))
    return images, np.stack([(images.sum(axis=2) @ np.arange(8)) / total,
                             (images.sum(axis=1) @ np.arange(8)) / total], axis=1)


def test_two_outputs_are_learnt(ink):
    X, y = ink
    reg = CNNRegressor(random_state=0).fit(X[:400], y[:400])
    assert reg.predict(X).shape == (600, 2)
    assert reg.score(X[400:], y[400:]) > 0.85


def test_one_output_keeps_the_shape_that_it_came_in(ink):
    X, y = ink
    flat = CNNRegressor(max_epochs=2, random_state=0).fit(X, y[:, 0])
    column = CNNRegressor(max_epochs=2, random_state=0).fit(X, y[:, :1])
    assert (flat.predict(X).shape, column.predict(X).shape) == ((600,), (600, 1))
    np.testing.assert_array_equal(flat.predict(X), column.predict(X)[:, 0])


@pytest.mark.parametrize(("scale", "offset"), [(1e9, 0.0), (1e-9, 1.0), (1.0, 1e9)])
def test_targets_are_learnt_on_any_scale(ink, scale, offset):
    X, y = ink
    targets = y[:, 0] * scale + offset
    assert CNNRegressor(random_state=0).fit(X, targets).score(X, targets) > 0.9


def test_a_constant_target_is_predicted():
    X = np.random.default_rng(0).normal(size=(40, 6))
    np.testing.assert_allclose(CNNRegressor(random_state=0).fit(X, np.full(40, 7.0)).predict(X),
                               7.0, atol=0.1)


def test_partial_fit_keeps_the_first_calls_scale(ink):
    X, y = ink
    parts = CNNRegressor(random_state=0).partial_fit(X[:300], y[:300])
    first = parts.targets_, parts.pixels_
    assert (parts.partial_fit(X, y).targets_, parts.pixels_) == first
    with pytest.raises(ValueError, match="y has 1 outputs; this estimator was fitted with 2"):
        parts.partial_fit(X, y[:, 0])


def test_predictions_are_float64(ink):
    X, y = ink
    assert CNNRegressor(max_epochs=1).fit(X.astype("float32"),
                                          y.astype("float32")).predict(X).dtype == np.float64
