"""`CNNClassifier`: what it learns, and what each parameter does."""

import signal
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import train_test_split

from cnnkit import models, nn, optim, random
from cnnkit.data import datasets
from cnnkit.sklearn import CNNClassifier


@pytest.fixture(scope="module")
def digits():
    digits = load_digits()
    return train_test_split(digits.images, digits.target, random_state=0, stratify=digits.target)


def small(n=60, classes=3):
    rng = np.random.default_rng(0)
    y = rng.integers(classes, size=n)
    return (rng.normal(size=(n, 16)) + y[:, None] * np.arange(16)).astype("float32"), y


def test_scikit_learns_digits_are_learnt_by_default(digits):
    X, X_test, y, y_test = digits
    assert CNNClassifier(random_state=0).fit(X, y).score(X_test, y_test) > 0.965


def test_the_digits_that_cnnkit_ships_are_learnt_by_default():
    train, test = datasets.digits(train=True), datasets.digits(train=False)
    clf = CNNClassifier(random_state=0).fit(np.asarray(train.data), train.targets)
    assert clf.score(np.asarray(test.data), test.targets) > 0.94


def test_text_labels_come_back():
    X, y = small()
    names = np.array(["cat", "a dog", "zebra"])
    clf = CNNClassifier(random_state=0).fit(X, names[y])
    assert clf.classes_.tolist() == ["a dog", "cat", "zebra"]
    assert clf.predict(X).dtype.kind == "U"
    assert clf.score(X, names[y]) > 0.9
    other = CNNClassifier(random_state=0).fit(X, names[y].astype(object))
    assert other.predict(X).tolist() == clf.predict(X).tolist()


def test_data_frames_have_their_names_checked():
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    X, y = small()
    frame = pandas.DataFrame(X, columns=[f"pixel{i}" for i in range(16)])
    clf = CNNClassifier(max_epochs=1, random_state=0).fit(frame, pandas.Series(y),
                                                          sample_weight=pandas.Series(np.ones(len(y))))
    assert clf.feature_names_in_.tolist() == list(frame.columns)
    np.testing.assert_array_equal(clf.predict(frame), clf.predict(frame.copy()))
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame.rename(columns={"pixel3": "pixel_3"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(frame))


@pytest.mark.parametrize("settings", [{"optimizer": "sgd", "lr": 0.1}, {"optimizer": "adamw"},
                                      {"optimizer": optim.Adam}], ids=str)
def test_optimizers(settings):
    X, y = small()
    assert CNNClassifier(random_state=0, **settings).fit(X, y).score(X, y) > 0.9


def test_an_architecture_is_a_dict_of_models_cnns_arguments():
    X, y = small()
    clf = CNNClassifier({"conv": [(4, 3)], "hidden": [], "dtype": "float64"}, image_shape=(4, 4),
                        max_epochs=2).fit(X, y)
    assert clf.module_.config["conv"] == [[4, 3]]
    assert clf.module_.config["ceil_mode"]
    assert str(clf.module_.classifier.fc1.weight.dtype) == "float64"


def test_an_architecture_is_a_function_that_makes_a_module():
    def linear(shape, outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), outputs))

    X, y = small()
    clf = CNNClassifier(linear, lr=0.05, random_state=0).fit(X, y)
    assert [type(m).__name__ for m in clf.module_.children()] == ["Flatten", "Linear"]
    assert clf.score(X, y) > 0.8


def test_an_architecture_that_gives_another_number_of_scores_is_refused():
    with pytest.raises(ValueError, match=r"gives \(2, 7\) for 2 images \(1, 1, 16\); it must give \(2, 3\)"):
        CNNClassifier(lambda shape, outputs: nn.Sequential(nn.Flatten(), nn.Linear(16, 7))).fit(*small())


def test_text_for_y_is_no_array():
    with pytest.raises(ValueError, match="y"):
        CNNClassifier().fit(small()[0], "no_validation")


def test_the_default_network_is_the_guides_common_cnn_with_twice_its_filters_and_no_dropout_or_batch_norm():
    X, y = small()
    clf = CNNClassifier(image_shape=(4, 4), max_epochs=1).fit(X, y)
    expected = models.CNN((1, 4, 4), conv=[(16, 3), (32, 3)], classes=3, ceil_mode=True)
    assert repr(clf.module_) == repr(expected)
    assert not any(isinstance(m, nn.Dropout | nn.BatchNorm2d) for m in clf.module_.modules())


def test_the_same_seed_gives_the_same_bits_whatever_else_draws():
    X, y = small()
    a = CNNClassifier({"dropout": 0.5}, max_epochs=3, random_state=1).fit(X, y)
    random.next_key()
    b = CNNClassifier({"dropout": 0.5}, max_epochs=3, random_state=1).fit(X, y)
    c = CNNClassifier({"dropout": 0.5}, max_epochs=3, random_state=2).fit(X, y)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))
    assert (a.predict_proba(X) != c.predict_proba(X)).any()


def test_fitting_leaves_the_programs_generator_as_it_was():
    before = random.get_state()
    CNNClassifier({"dropout": 0.5}, max_epochs=1, random_state=1).fit(*small())
    assert random.get_state() == before


def test_threads_that_fit_at_the_same_time_get_what_each_gets_alone():
    X, y = small()
    alone = [CNNClassifier({"dropout": 0.5}, max_epochs=4, random_state=seed).fit(X, y) for seed in range(3)]
    together = [CNNClassifier({"dropout": 0.5}, max_epochs=4, random_state=seed) for seed in range(3)]
    threads = [threading.Thread(target=clf.fit, args=(X, y)) for clf in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone, together):
        np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


def test_the_probabilities_of_an_image_depend_on_no_other_image(digits):
    X, X_test, y, _ = digits
    clf = CNNClassifier(max_epochs=1, random_state=0).fit(X, y)
    whole = clf.predict_proba(X_test)
    order = np.random.default_rng(0).permutation(len(X_test))
    np.testing.assert_array_equal(clf.predict_proba(X_test[order]), whole[order])
    for size in (1, 7, 33, 100):
        np.testing.assert_array_equal(clf.predict_proba(X_test[3:3 + size]), whole[3:3 + size])


def test_early_stopping_keeps_the_best_epochs_weights(digits):
    X, X_test, y, y_test = digits
    weights_by_loss = {}

    def note(clf, row):
        weights_by_loss[row.val_loss] = clf.module_.state_dict()

    clf = CNNClassifier(early_stopping=True, max_epochs=200, lr=5e-3, n_iter_no_change=3, random_state=0,
                        callbacks=[note]).fit(X, y)
    losses = clf.history_["val_loss"]
    assert clf.n_iter_ == len(losses) < 200
    assert np.argmin(losses) < clf.n_iter_ - 1
    for name, value in weights_by_loss[min(losses)].items():
        np.testing.assert_array_equal(clf.module_.state_dict()[name].numpy(), value.numpy())
    assert clf.score(X_test, y_test) > 0.93


def test_early_stopping_holds_out_a_part_of_every_class():
    X, y = small(90)
    sizes = []
    clf = CNNClassifier(early_stopping=True, validation_fraction=0.2, max_epochs=1, random_state=0)
    held_out = []

    def spy(targets, key, hold=CNNClassifier._held_out):
        mask = hold(clf, targets, key)
        held_out.append(np.bincount(targets[mask]))
        sizes.append(np.bincount(targets))
        return mask

    clf._held_out = spy
    clf.fit(X, y)
    np.testing.assert_array_equal(held_out[0], np.ceil(sizes[0] * 0.2))


def test_early_stopping_with_too_few_samples_says_so():
    with pytest.raises(ValueError,
                       match=r"early_stopping=True holds out validation_fraction=0\.1 of 2 distinct samples"):
        CNNClassifier(early_stopping=True).fit(np.eye(2), [0, 1])


def test_class_weights_move_the_border():
    rng = np.random.default_rng(0)
    y = np.array([0] * 180 + [1] * 20)
    X = rng.normal(size=(200, 8)) + y[:, None] * 0.5
    shares = [(CNNClassifier(class_weight=w, random_state=0, max_epochs=10).fit(X, y).predict(X) == 1).mean()
              for w in (None, "balanced", {1: 1e3})]
    assert shares[0] < shares[1] < shares[2]


@pytest.mark.parametrize(("class_weight", "message"), [
    ({7: 2.0}, "class_weight has a label 7 that is none of the classes"),
    ({0: -1.0}, "must hold positive numbers"),
    ("even", "class_weight is a dict, 'balanced' or None; got 'even'")], ids=str)
def test_class_weights_that_make_no_sense(class_weight, message):
    with pytest.raises(ValueError, match=message):
        CNNClassifier(class_weight=class_weight).fit(*small())


def test_partial_fit_is_one_epoch_and_twenty_are_fit():
    X, y = small()
    parts = CNNClassifier(random_state=0)
    for n in range(5):
        assert parts.partial_fit(X, y, classes=[0, 1, 2]).n_iter_ == n + 1
    whole = CNNClassifier(random_state=0, max_epochs=5).fit(X, y)
    np.testing.assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


def test_partial_fit_takes_data_that_lack_a_class():
    X, y = small()
    clf = CNNClassifier(random_state=0)
    for _ in range(10):
        for label in range(3):
            clf.partial_fit(X[y == label], y[y == label], classes=[0, 1, 2])
    assert clf.predict_proba(X).shape == (60, 3)


def test_partial_fit_asks_for_the_classes_once_and_keeps_them():
    X, y = small()
    clf = CNNClassifier(random_state=0)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        clf.partial_fit(X, y)
    clf.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        clf.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y has a label .*5.* that is none of the classes \[0, 1, 2\]"):
        clf.partial_fit(X, y + 3)
    with pytest.raises(ValueError, match="needs all data at once"):
        CNNClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])


def test_warm_start_goes_on():
    X, y = small()
    clf = CNNClassifier(max_epochs=2, warm_start=True, random_state=0).fit(X, y).fit(X, y)
    assert [row.epoch for row in clf.history_] == [1, 2, 3, 4]
    np.testing.assert_array_equal(clf.predict_proba(X),
                                  CNNClassifier(max_epochs=4, random_state=0).fit(X, y).predict_proba(X))
    cold = clone(clf).set_params(warm_start=False).fit(X, y).fit(X, y)
    assert cold.n_iter_ == 2


def test_warm_start_takes_another_optimizer_and_makes_another_architecture_anew():
    X, y = load_digits(return_X_y=True)
    X, y = X[:60], y[:60]
    clf = CNNClassifier(max_epochs=1, warm_start=True, random_state=0).fit(X, y)
    module, optimizer = clf.module_, clf.optimizer_
    assert clf.set_params(batch_size=30, verbose=0).fit(X, y).optimizer_ is optimizer
    assert isinstance(clf.set_params(optimizer="sgd").fit(X, y).optimizer_, optim.SGD)
    assert isinstance(clf.set_params(optimizer=optim.AdamW).partial_fit(X, y).optimizer_, optim.AdamW)
    assert clf.module_ is module
    clf.set_params(architecture={"conv": [(4, 3)]})
    with pytest.raises(ValueError, match=r"architecture, .*image_shape or data_format has changed"):
        clf.partial_fit(X, y)
    assert clf.fit(X, y).module_ is not module
    assert clf.partial_fit(X, y).n_iter_ == 2


def test_warm_start_takes_a_new_learning_rate():
    X, y = small()
    clf = CNNClassifier(max_epochs=1, warm_start=True, random_state=0).fit(X, y)
    clf.set_params(lr=0.5).fit(X, y)
    assert clf.optimizer_.param_groups[0]["lr"] == 0.5


def test_callbacks_see_each_epoch_and_can_end_training():
    X, y = small()
    rows = []
    clf = CNNClassifier(max_epochs=50,
                        callbacks=[lambda clf, row: rows.append((clf.n_features_in_, row.epoch)),
                                   lambda clf, row: row.epoch == 3]).fit(X, y)
    assert rows == [(16, 1), (16, 2), (16, 3)]
    assert clf.n_iter_ == 3


def test_verbose_prints_an_epoch_a_line_counted_through(capsys):
    X, y = small()
    CNNClassifier(max_epochs=2, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Epoch 1", "Epoch 2"]
    CNNClassifier(max_epochs=2).fit(X, y)
    assert capsys.readouterr().out == ""


def test_ctrl_c_ends_training_and_keeps_what_was_learnt():
    X, y = small()
    with pytest.warns(ConvergenceWarning, match="interrupted by the user in epoch 3 of 20"):
        clf = Interrupted(random_state=0).fit(X, y)
    assert clf.history_.interrupted
    assert clf.predict(X).shape == y.shape


class Interrupted(CNNClassifier):
    """Ctrl-C is pressed in the third epoch."""

    signal = signal.SIGINT

    def _loss(self, output, target, weight):
        if len(self.history_) == 2:
            signal.raise_signal(self.signal)
        return super()._loss(output, target, weight)


def test_sigterm_ends_the_process_and_not_one_fit_of_a_search():
    class Terminated(Interrupted):
        signal = signal.SIGTERM

    with pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)):
        Terminated(random_state=0).fit(*small())


@pytest.mark.parametrize("name", ["array-api-strict", "torch", "jax", "emulator"])
def test_backends_train_the_same_network(name):
    from cnnkit import backends
    try:
        backends.get(name)
    except backends.Unavailable as reason:
        pytest.skip(str(reason))
    X, y = small(40)
    expected = CNNClassifier(max_epochs=2, random_state=0).fit(X, y)
    fitted = CNNClassifier(max_epochs=2, random_state=0, backend=name).fit(X, y)
    assert backends.backend_of(next(fitted.module_.parameters()).array).name == name
    assert isinstance(fitted.predict_proba(X), np.ndarray)
    np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize(("settings", "message"), [
    ({"max_epochs": 0}, "max_epochs must be a whole number, 1 or more; got 0"),
    ({"batch_size": 2.5}, "batch_size must be"),
    ({"n_iter_no_change": 0}, "n_iter_no_change must be"),
    ({"lr": 0}, "lr must be a number between 0 and inf; got 0"), ({"lr": float("nan")}, "lr must be"),
    ({"validation_fraction": 1.0}, "validation_fraction must be a number between 0 and 1; got 1.0"),
    ({"optimizer": "lbfgs"}, "'rmsprop', or a class of cnnkit.optim; got 'lbfgs'"),
    ({"architecture": 3}, "architecture is 'common', a dict")], ids=str)
def test_parameters_that_make_no_sense(settings, message):
    with pytest.raises(ValueError, match=message):
        CNNClassifier(**settings).fit(*small())


@pytest.mark.parametrize(("weights", "message"), [
    ([-1.0] + [1.0] * 59, "Negative values in data passed to `sample_weight`: -1.0 for sample 0"),
    ([1.0] * 59, r"sample_weight has shape \(59,\), expected \(60,\)"),
    ([0.0] * 60, "every sample_weight is zero"),
    ([np.nan] + [1.0] * 59, "Input sample_weight contains NaN")], ids=lambda value: str(value)[:12])
def test_weights_that_make_no_sense(weights, message):
    with pytest.raises(ValueError, match=message):
        CNNClassifier().fit(*small(), sample_weight=weights)


def test_an_unfitted_estimator_says_so():
    with pytest.raises(NotFittedError):
        CNNClassifier().predict(np.eye(3))


def test_training_that_overflows_says_so():
    X, y = small()
    with pytest.raises(FloatingPointError, match="Lower the learning rate"), np.errstate(all="ignore"):
        CNNClassifier(optimizer="sgd", lr=1e20, random_state=0).fit(X, y)
