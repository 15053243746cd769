"""The estimators inside scikit-learn's own machinery: pipelines, searches, cross-validation, calibration,
other arrays.
"""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

import joblib
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from cnnkit import backends
from cnnkit.sklearn import CNNClassifier, CNNRegressor


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


def quick(**settings):
    return CNNClassifier(max_epochs=8, lr=5e-3, image_shape=(8, 8), random_state=0, **settings)


def test_in_a_pipeline(digits):
    X, y = digits
    assert make_pipeline(MinMaxScaler(), quick()).fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.7
    images = make_pipeline(FunctionTransformer(lambda X: X.reshape(-1, 8, 8)),
                           CNNClassifier(max_epochs=8, lr=5e-3, random_state=0))
    assert images.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.7


def test_in_a_grid_search_with_two_processes(digits):
    X, y = digits
    search = GridSearchCV(quick(),
                          {"lr": [1e-5, 1e-3], "architecture": ["common", {"hidden": [32]}]}, n_jobs=2, cv=2)
    search.fit(X, y)
    assert search.best_params_["lr"] == 1e-3
    alone = GridSearchCV(quick(),
                         {"lr": [1e-5, 1e-3], "architecture": ["common", {"hidden": [32]}]}, cv=2).fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


def test_in_cross_validation_with_images_of_four_axes(digits):
    X, y = digits
    images = X.reshape(-1, 1, 8, 8)
    scores = cross_val_score(CNNClassifier(max_epochs=8, lr=5e-3, random_state=0), images, y, cv=3)
    assert scores.min() > 0.75
    assert cross_val_predict(CNNRegressor(max_epochs=2, random_state=0), images, y, cv=2).shape == (600,)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_in_calibration(digits, method):
    X, y = digits
    calibrated = CalibratedClassifierCV(quick(), method=method, cv=2).fit(X, y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    assert calibrated.score(X, y) > 0.85


def test_in_ensembles_that_pass_sample_weights(digits):
    X, y = digits
    assert BaggingClassifier(quick(), n_estimators=2,
                             random_state=0).fit(X[:300], y[:300]).score(X[:300], y[:300]) > 0.8
    targets = np.stack([X.mean(1), X.std(1)], axis=1)
    many = MultiOutputRegressor(make_pipeline(StandardScaler(),
                                              CNNRegressor(max_epochs=2, image_shape=(8, 8), random_state=0)))
    assert many.fit(X, targets).predict(X).shape == (600, 2)


@pytest.mark.parametrize("dump", [lambda e, path: path.write_bytes(pickle.dumps(e)), joblib.dump],
                         ids=["pickle", "joblib"])
def test_a_pickle_predicts_the_same_and_goes_on_the_same(digits, dump, tmp_path):
    X, y = digits
    clf = quick().fit(X[:300], y[:300])
    dump(clf, tmp_path / "clf")
    again = joblib.load(tmp_path / "clf")
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(again.partial_fit(X, y).predict_proba(X),
                                  clf.partial_fit(X, y).predict_proba(X))


def test_a_clone_has_the_parameters_and_nothing_learnt(digits):
    X, y = digits
    clf = quick(class_weight={0: 2.0}).fit(X[:50], y[:50])
    again = clone(clf)
    assert again.get_params() == clf.get_params()
    assert not hasattr(again, "module_")


@pytest.mark.parametrize("name", ["torch", "array_api_strict"])
def test_array_api_dispatch_gives_back_arrays_of_the_library_that_came_in(digits, name):
    xp = pytest.importorskip(name, reason=f"needs {name}")
    X, y = digits[0][:100].astype("float32"), digits[1][:100]
    clf, reg = quick().fit(X, y), CNNRegressor(max_epochs=2, random_state=0, image_shape=(8, 8)).fit(X, y)
    with sklearn.config_context(array_api_dispatch=True):
        there, labels = xp.asarray(X), xp.asarray(y)
        clf_there, reg_there = clone(clf).fit(there, labels), clone(reg).fit(there, labels)
        for found, expected in ((clf_there.predict_proba(there), clf.predict_proba(X)),
                                (clf_there.predict(there), clf.predict(X)),
                                (reg_there.predict(there), reg.predict(X))):
            assert type(found) is type(there)
            np.testing.assert_allclose(backends.backend_of(found).to_numpy(found), expected, atol=1e-3)
        assert clf_there.score(there, labels) > 0.8
        # trained there
        assert backends.backend_of(next(clf_there.module_.parameters()).array) is backends.backend_of(there)
        with pytest.raises(ValueError, match=r"CNNClassifier.predict\(\) "
                           "must use the same namespace and the same device"):
            clf_there.predict(X)
        with pytest.raises(ValueError, match="must use the same namespace"):
            clf.predict(there)


def test_without_dispatch_another_librarys_arrays_are_read_and_numpys_come_back(digits):
    torch = pytest.importorskip("torch", reason="needs torch")
    X, y = digits[0][:100].astype("float32"), digits[1][:100]
    clf = quick().fit(torch.asarray(X), torch.asarray(y))
    assert isinstance(clf.predict(torch.asarray(X)), np.ndarray)
    np.testing.assert_array_equal(clf.predict_proba(torch.asarray(X)), quick().fit(X, y).predict_proba(X))
