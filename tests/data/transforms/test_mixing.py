"""MixUp and CutMix: images and labels are mixed in one proportion, drawn from a beta distribution."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import random
from cnnkit.data.transforms import CutMix, MixUp

KEY = random.key(3)
X = np.random.default_rng(0).random((30, 2, 9, 12))
Y = np.arange(30) % 4
ONE_HOT = np.eye(4)[Y]


@pytest.mark.parametrize("alpha", [0.1, 0.3, 1.0, 4.0])
def test_the_share_has_a_beta_distribution(alpha):
    stats = pytest.importorskip("scipy.stats")
    t = MixUp(alpha=alpha, num_classes=2)
    shares = [t.share(*row) for row in t.draws(KEY, 4000)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 1e6])
def test_shares_stay_within_bounds_at_any_alpha(alpha):
    t = MixUp(alpha=alpha, num_classes=2)
    shares = np.asarray([t.share(*row) for row in t.draws(KEY, 1000)]
                        + [t.share(2.0**-33, 0.0), t.share(1 - 2.0**-33, 0.25)])
    assert ((shares >= 0) & (shares <= 1)).all()
    assert shares[:1000].mean() == pytest.approx(0.5, abs=0.05)


def test_mixup_is_the_weighted_mean_with_the_image_before():
    t = MixUp(num_classes=4)
    mixed, labels = t(X, Y, key=KEY)
    for n, row in enumerate(t.draws(KEY, 30)):
        share = t.share(*row)
        np.testing.assert_allclose(mixed[n], share * X[n] + (1 - share) * X[n - 1], atol=1e-12)
        np.testing.assert_allclose(labels[n], share * ONE_HOT[n] + (1 - share) * ONE_HOT[n - 1], atol=1e-12)


def test_cutmix_covers_a_rectangle_by_the_image_before():
    t = CutMix(num_classes=4)
    mixed, labels = t(X, Y, key=KEY)
    partly_covered = 0
    for n, row in enumerate(t.draws(KEY, 30)):
        top, left, bottom, right = t.rectangle(9, 12, row)
        expected = X[n].copy()
        expected[:, top:bottom, left:right] = X[n - 1][:, top:bottom, left:right]
        np.testing.assert_array_equal(mixed[n], expected)
        kept = 1 - (bottom - top) * (right - left) / (9 * 12)
        partly_covered += 0 < kept < 1
        np.testing.assert_allclose(labels[n], kept * ONE_HOT[n] + (1 - kept) * ONE_HOT[n - 1], atol=1e-12)
    assert partly_covered > 15


def test_the_rectangle_is_that_of_the_paper():
    t = CutMix(num_classes=2)
    for row in t.draws(KEY, 200):
        half = 0.5 * (1 - t.share(*row[:2])) ** 0.5
        y, x = int(row[2] * 40), int(row[3] * 60)
        assert t.rectangle(40, 60, row) == (max(y - int(half * 40), 0), max(x - int(half * 60), 0),
                                            min(y + int(half * 40), 40), min(x + int(half * 60), 60))


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_probabilities_are_mixed_too_and_stay_probabilities(kind):
    first, labels = kind(num_classes=4)(X, Y, key=KEY)
    again, from_one_hot = kind()(X, ONE_HOT, key=KEY)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(labels, from_one_hot, atol=1e-12)
    np.testing.assert_allclose(kind()(X, labels)[1].sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("kind", [MixUp, CutMix])
def test_a_batch_of_one_image_stays_what_it_is(kind):
    image, label = kind(num_classes=4)(X[:1], Y[:1])
    np.testing.assert_allclose(image, X[:1], atol=1e-12)
    np.testing.assert_allclose(label, ONE_HOT[:1], atol=1e-12)
    assert [part.shape for part in kind(num_classes=4)(X[:0], Y[:0])] == [(0, 2, 9, 12), (0, 4)]


def test_cross_entropy_takes_the_labels(backend):
    x, y = backend.asarray(X.astype("float32")), backend.asarray(Y)
    mixed, labels = MixUp(num_classes=4)(cnnkit.Tensor(x), cnnkit.Tensor(y), key=KEY)
    scores = mixed.mean(dim=(2, 3)) @ cnnkit.Tensor(backend.asarray(np.ones((2, 4), "float32")))
    loss = F.cross_entropy(scores, labels).item()
    expected = F.cross_entropy(cnnkit.tensor(scores.numpy(), backend="numpy"), cnnkit.tensor(
        MixUp(num_classes=4)(X, Y, key=KEY)[1].astype("float32"), backend="numpy")).item()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_a_label_out_of_range_makes_nan():
    labels = MixUp(num_classes=3)(X, Y, key=KEY)[1]
    assert np.isnan(labels).any(axis=1).sum() == 14  # seven images of class 3, and the seven after them


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: MixUp(alpha=0), ValueError, "alpha must be a finite number above 0"),
    (lambda: CutMix(num_classes=0), ValueError, "at least one class"),
    (lambda: MixUp()(X, Y), ValueError, r"must know how many classes there are; give num_classes="),
    (lambda: MixUp(num_classes=4)(X[0]), ValueError, r"a batch \(N, C, H, W\), got shape \(2, 9, 12\)"),
    (lambda: MixUp(num_classes=4)(X, Y[:3]), ValueError, r"30 images but labels of shape \(3, 4\)"),
    (lambda: MixUp(num_classes=4)(X, Y[:, None]), TypeError,
     r"class indices or \(N, classes\) of probabilities, got int64"),
    (lambda: MixUp(num_classes=4)(X, Y * 0.5), TypeError, "got float64"),
])
def test_what_cannot_be_mixed_is_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()
