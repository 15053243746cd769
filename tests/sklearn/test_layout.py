"""Which axis of the user's arrays is which, and an error where nobody can know."""

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from cnnkit.sklearn import CNNClassifier
from cnnkit.sklearn.layout import Layout


@pytest.mark.parametrize(("shape", "arguments", "expected"), [
    ((9, 7), {}, Layout((1, 1, 7))), ((9, 1), {}, Layout((1, 1, 1))),
    ((9, 12), {"image_shape": (3, 4)}, Layout((1, 3, 4))),
    ((9, 24), {"image_shape": (2, 3, 4)}, Layout((2, 3, 4))),
    ((9, 24), {"image_shape": (3, 4, 2), "data_format": "NHWC"}, Layout((2, 3, 4), True)),
    ((9, 5, 6), {}, Layout((1, 5, 6))), ((9, 5, 6), {"data_format": "NHWC"}, Layout((1, 5, 6))),
    ((9, 3, 8, 8), {}, Layout((3, 8, 8))), ((9, 8, 8, 3), {}, Layout((3, 8, 8), True)),
    ((9, 8, 8, 8), {"data_format": "NCHW"}, Layout((8, 8, 8))),
    ((9, 3, 8, 3), {"data_format": "NHWC"}, Layout((3, 3, 8), True)),
    ((9, 1, 8, 8), {"image_shape": (8, 8)}, Layout((1, 8, 8)))], ids=str)
def test_layouts(shape, arguments, expected):
    assert Layout.of(shape, **arguments) == expected


@pytest.mark.parametrize(("shape", "arguments", "message"), [
    ((9, 3, 8, 3), {}, r"may be \(N, C, H, W\) or \(N, H, W, C\): pass data_format"),
    ((9, 8, 8, 8), {}, "pass data_format"), ((9, 1, 1, 1), {}, "pass data_format"),
    ((9, 7), {"image_shape": (3, 4)}, r"image_shape=\(3, 4\) has 12 pixels, but a row of X has 7 features"),
    ((9, 5, 6), {"image_shape": (6, 5)}, "is not the shape of the images in X"),
    ((9, 7), {"image_shape": 7}, r"image_shape is \(H, W\), or \(C, H, W\); got 7"),
    ((9, 7), {"image_shape": (0, 7), "data_format": "NHWC"}, r"or \(H, W, C\)"),
    ((9, 5, 6), {"data_format": "channels_last"}, "data_format is 'NCHW', 'NHWC' or None"),
    ((9, 2, 2, 2, 2), {}, r"X has shape \(9, 2, 2, 2, 2\); images are \(N, H, W\)")], ids=str)
def test_what_nobody_can_know_is_an_error(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        Layout.of(shape, **arguments)


def images(channels=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, channels, 6, 5)).astype("float32"), rng.integers(2, size=40)


def test_every_layout_of_the_same_images_trains_the_same_network():
    X, y = images()
    settings = {"max_epochs": 2, "random_state": 0}
    first = CNNClassifier(**settings).fit(X, y)
    flat = CNNClassifier(image_shape=(3, 6, 5), **settings).fit(X.reshape(40, -1), y)
    np.testing.assert_array_equal(first.predict_proba(X), flat.predict_proba(X.reshape(40, -1)))
    last = CNNClassifier(**settings).fit(X.transpose(0, 2, 3, 1), y)
    assert last.layout_ == Layout((3, 6, 5), True)
    flat_last = CNNClassifier(image_shape=(6, 5, 3),
                              data_format="NHWC", **settings).fit(X.transpose(0, 2, 3, 1).reshape(40, -1), y)
    np.testing.assert_array_equal(last.predict_proba(X.transpose(0, 2, 3, 1)),
                                  flat_last.predict_proba(X.transpose(0, 2, 3, 1).reshape(40, -1)))


def test_grey_images_with_and_without_their_axis_are_the_same():
    X, y = images(1)
    a, b = (CNNClassifier(max_epochs=1, random_state=0).fit(X, y),
            CNNClassifier(max_epochs=1, random_state=0).fit(X[:, 0], y))
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X[:, 0]))
    np.testing.assert_array_equal(a.predict_proba(X), a.predict_proba(X[:, 0]))
    np.testing.assert_array_equal(a.predict_proba(X), a.predict_proba(X.reshape(40, -1)))
    assert a.n_features_in_ == 30


def test_images_of_another_shape_are_refused_at_prediction():
    X, y = images()
    clf = CNNClassifier(max_epochs=1).fit(X, y)
    with pytest.raises(ValueError,
                       match=r"X has images of shape \(3, 5, 6\); this estimator takes \(3, 6, 5\)"):
        clf.predict(X.transpose(0, 1, 3, 2))
    with pytest.raises(ValueError, match="89 features, but CNNClassifier is expecting 90 features"):
        clf.predict(X.reshape(40, -1)[:, :89])


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool", "float16", "float64"])
def test_pixels_may_be_of_any_dtype(dtype):
    X, y = images(1)
    X = np.abs(X * 3).astype(dtype)
    clf = CNNClassifier(max_epochs=1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X.astype("float32")))
