"""`NeuralNetClassifier` and `NeuralNetRegressor`: skorch's form, on cnnkit's modules."""

import copy
import pickle

import numpy as np
import pytest
from small_nets import Net, Probabilities

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cnnkit
import cnnkit.functional as F
from cnnkit import nn, optim
from cnnkit.data import ArrayDataset, DataLoader, Dataset, transforms
from cnnkit.sklearn import NeuralNetClassifier, NeuralNetRegressor


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype("float32"), y


def net(module=Net, **settings):
    return NeuralNetClassifier(module, **{"criterion": nn.CrossEntropyLoss, "optimizer": optim.Adam,
                                          "lr": 0.005, "verbose": 0, "random_state": 0, **settings})


def test_arrays_a_dataset_and_a_loader_are_all_data(digits):
    X, y = digits
    dataset = ArrayDataset(X.reshape(-1, 8, 8), y)
    for data in ((X, y), (dataset, None), (dataset, y), (DataLoader(dataset, batch_size=64), y),
                 (DataLoader(dataset, 64), None)):
        fitted = net().fit(*data)
        assert fitted.score(X, y) > 0.95
        assert fitted.predict_proba(X).shape == (1797, 10)
        np.testing.assert_array_equal(fitted.predict(dataset), fitted.predict(X))
        np.testing.assert_array_equal(fitted.predict(DataLoader(dataset, 50)), fitted.predict(X))


def test_training_data_are_augmented_where_asked_for_and_predictions_never(digits):
    X, y = digits
    dataset = ArrayDataset(X.reshape(-1, 8, 8), y)
    augment = transforms.Compose([transforms.RandomVerticalFlip(1)])
    upside_down = ArrayDataset(X.reshape(-1, 8, 8)[:, ::-1], y)
    flipped = net(max_epochs=2, iterator_train__augment=augment).fit(dataset)
    expected = net(max_epochs=2).fit(upside_down)
    np.testing.assert_array_equal(flipped.predict_proba(dataset), expected.predict_proba(dataset))
    # sums of few images are made in another order
    by_others = flipped.predict_proba(DataLoader(dataset, 50, augment=augment))
    np.testing.assert_allclose(by_others, flipped.predict_proba(X), rtol=1e-5)


def test_uint8_inputs_are_divided_by_255(digits):
    X, y = digits
    fitted = net(max_epochs=2).fit((X * 255).astype("uint8"), y)
    pixels = (X * 255).astype("uint8")
    np.testing.assert_allclose(fitted.predict_proba(pixels),
                               fitted.predict_proba(pixels.astype("float32") / np.float32(255)), rtol=1e-6)


def test_labels_beside_a_dataset_must_be_its_own(digits):
    X, y = digits
    dataset = ArrayDataset(X.reshape(-1, 8, 8), y)
    for data in (dataset, DataLoader(dataset, 64)):
        with pytest.raises(ValueError,
                           match="y is given beside a dataset that has labels, and they are not its targets"):
            net().fit(data, y[::-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        net().fit(X)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[1797, 1796\]"):
        net().fit(X, y[:-1])
    with pytest.raises(ValueError, match=r"y must have shape \(N,\)"):
        net().fit(X, y[:, None])


def test_a_dataset_needs_no_more_than_a_length_and_an_index(digits):
    class Pairs:
        def __len__(self):
            return 200

        def __getitem__(self, i):
            return digits[0][i], int(digits[1][i])

    fitted = net(max_epochs=30).fit(Pairs())
    assert fitted.score(digits[0][:200], digits[1][:200]) > 0.9


def test_text_labels_come_back(digits):
    X, y = digits
    names = np.array([f"digit {i}" for i in range(10)])
    fitted = net().fit(X, names[y])
    assert fitted.score(X, names[y]) > 0.95
    assert fitted.classes_.tolist() == names.tolist()


def test_settings_reach_their_parts():
    parts = net(module__hidden=5, module__dropout=0.25, optimizer__weight_decay=0.5,
                criterion__label_smoothing=0.125).initialize()
    assert parts.module_.fc1.weight.shape == (5, 64)
    assert parts.module_.dropout.p == 0.25
    assert parts.optimizer_.param_groups[0]["weight_decay"] == 0.5
    assert parts.optimizer_.param_groups[0]["lr"] == 0.005
    assert parts.criterion_.label_smoothing == 0.125
    assert net(optimizer__lr=0.5).initialize().optimizer_.param_groups[0]["lr"] == 0.5


def test_settings_of_the_loader_reach_it(digits):
    X, y = digits
    sizes = []
    fitted = net(max_epochs=1, batch_size=100, iterator_train__drop_last=True, iterator_train__shuffle=False)
    loss = fitted._loss
    fitted._loss = lambda output, target: sizes.append(target.numpy()) or loss(output, target)
    fitted.fit(X, y)
    assert [len(s) for s in sizes] == [100] * 17
    np.testing.assert_array_equal(np.concatenate(sizes), y[:1700])


def test_a_name_that_no_part_has_is_refused():
    with pytest.raises(TypeError,
                       match=r"NeuralNetClassifier has no parameter 'modul__hidden'; it has .*module__"):
        net(modul__hidden=5)
    with pytest.raises(ValueError, match="modul"):
        net().set_params(modul__hidden=5)
    with pytest.raises(ValueError, match="is made already, so module__hidden has no effect: give its class"):
        net(Net(), module__hidden=5).initialize()


def test_parameters_can_be_read_set_cloned_and_shown():
    original = net(module__hidden=5)
    assert original.get_params()["module__hidden"] == 5
    again = clone(original).set_params(module__hidden=7, lr=0.5, optimizer__weight_decay=0.1)
    assert (again.module__hidden, again.lr, again.optimizer__weight_decay) == (7, 0.5, 0.1)
    assert original.module__hidden == 5
    assert "module__hidden=5" in repr(original)


def test_in_a_grid_search_with_two_processes(digits):
    X, y = digits
    search = GridSearchCV(net(max_epochs=5),
                          {"module__hidden": [1, 32], "optimizer__weight_decay": [0, 0.01]}, n_jobs=2, cv=2)
    assert search.fit(X, y).best_params_["module__hidden"] == 32
    assert cross_val_score(make_pipeline(StandardScaler(), net()), X, y, cv=2).min() > 0.85


def test_a_module_that_exists_is_copied_with_its_weights(digits):
    X, y = digits
    module = Net()
    before = copy.deepcopy(module.state_dict())
    fitted = net(module, max_epochs=0).fit(X, y)
    np.testing.assert_allclose(fitted.forward(X), module(cnnkit.tensor(X)).numpy(), atol=1e-6)
    net(module, max_epochs=1).fit(X, y)
    for name, value in module.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name].numpy())


def test_nll_loss_takes_probabilities_as_in_skorch(digits):
    X, y = digits
    fitted = net(Probabilities, criterion=nn.NLLLoss).fit(X, y)
    assert fitted.score(X, y) > 0.95
    np.testing.assert_allclose(fitted.predict_proba(X).sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(fitted.predict_proba(X), fitted.forward(X))
    np.testing.assert_allclose(fitted.history["loss"], net(Net).fit(X, y).history["loss"], rtol=1e-2)


def test_a_criterion_may_be_a_function(digits):
    X, y = digits
    fitted = net(criterion=F.cross_entropy, max_epochs=3).fit(X, y)
    np.testing.assert_allclose(fitted.predict_proba(X),
                               net(max_epochs=3).fit(X, y).predict_proba(X), rtol=1e-6)


def test_train_split_measures_each_epoch_on_a_part_held_out(digits):
    X, y = digits
    fitted = net(max_epochs=3, train_split=0.25).fit(X, y)
    assert all(0 < row.val_accuracy < 1 for row in fitted.history)
    with pytest.raises(ValueError, match="divides a dataset; a loader is taken as it is"):
        net(train_split=0.25).fit(DataLoader(ArrayDataset(X.reshape(-1, 8, 8), y), 64))


def test_fit_starts_anew_and_warm_start_and_partial_fit_go_on(digits):
    X, y = digits
    fitted = net(max_epochs=2, module__dropout=0.5).fit(X, y)
    first = fitted.predict_proba(X)
    np.testing.assert_array_equal(fitted.fit(X, y).predict_proba(X), first)
    assert [row.epoch for row in fitted.partial_fit(X, y).history] == [1, 2, 3, 4]
    warm = net(max_epochs=2, module__dropout=0.5, warm_start=True).fit(X, y).fit(X, y)
    np.testing.assert_array_equal(warm.predict_proba(X), fitted.predict_proba(X))


def test_without_a_seed_cnnkits_generator_decides(digits):
    X, y = digits

    def run():
        cnnkit.random.seed(5)
        return net(max_epochs=1, random_state=None).fit(X, y).predict_proba(X)

    np.testing.assert_array_equal(run(), run())


def test_callbacks_and_lines(digits, capsys):
    X, y = digits
    fitted = net(verbose=1, callbacks=[lambda net, row: row.epoch == 2]).fit(X, y)
    assert len(fitted.history) == 2
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == ["Epoch 1", "Epoch 2"]


def test_parameters_are_saved_without_pickle(digits, tmp_path):
    X, y = digits
    fitted = net(max_epochs=1).fit(X, y)
    fitted.save_params(f_params=tmp_path / "net.safetensors")
    fresh = net().initialize()
    fresh.load_params(f_params=tmp_path / "net.safetensors")
    np.testing.assert_array_equal(fresh.forward(X), fitted.forward(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).forward(X), fitted.forward(X))


def test_an_unfitted_net_says_so(digits):
    with pytest.raises(NotFittedError):
        net().predict(digits[0])


def test_a_loader_that_shuffles_cannot_be_predicted(digits):
    X, y = digits
    dataset = ArrayDataset(X.reshape(-1, 8, 8), y)
    with pytest.raises(ValueError, match="the loader shuffles"):
        net(max_epochs=1).fit(dataset).predict(DataLoader(dataset, 64, shuffle=True))


@pytest.mark.parametrize("name", ["array-api-strict", "torch"])
def test_on_another_backend(digits, name):
    try:
        cnnkit.backends.get(name)
    except cnnkit.backends.Unavailable as reason:
        pytest.skip(str(reason))
    X, y = digits[0][:300], digits[1][:300]
    fitted = net(max_epochs=2, backend=name).fit(X, y)
    assert cnnkit.backends.backend_of(fitted.module_.fc1.weight.array).name == name
    np.testing.assert_allclose(fitted.predict_proba(X),
                               net(max_epochs=2).fit(X, y).predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("columns", [None, 1, 2])
def test_a_regressor_gives_the_shape_that_its_targets_had(digits, columns):
    X, _ = digits
    targets = X.mean(1) if columns is None else np.stack([X.mean(1), X.std(1)][:columns], axis=1)
    fitted = NeuralNetRegressor(Net, module__outputs=columns or 1, optimizer=optim.Adam, verbose=0,
                                random_state=0).fit(X, targets)
    assert fitted.predict(X).shape == targets.shape
    assert fitted.score(X, targets) > 0.5


class Halves(Dataset):
    """No `targets`, no `classes`."""

    def __len__(self):
        return 10

    def __getitem__(self, i):
        return np.full(64, i % 2, "float32"), i % 2


def test_a_dataset_that_does_not_say_its_labels_is_predicted_by_number():
    fitted = net(max_epochs=100).fit(Halves())
    assert fitted.predict(Halves()).tolist() == [0, 1] * 5


def weights(fitted):
    return np.concatenate([value.numpy().ravel() for value in fitted.module_.parameters()])


@pytest.fixture(params=["fit", "partial_fit"])
def go_on(request, digits):
    """A function that trains a warm estimator, which is fitted first if it is not, and returns it."""
    X, y = digits[0][:200], digits[1][:200]
    return lambda estimator: getattr(estimator, request.param)(X, y)


def warm(go_on, **settings):
    return go_on(net(**{"optimizer": optim.SGD, "max_epochs": 1, "warm_start": True} | settings))


def test_settings_of_the_optimizer_that_are_set_on_a_warm_estimator_count(go_on):
    fitted = warm(go_on, optimizer__momentum=0.9)
    optimizer, module, before = fitted.optimizer_, fitted.module_, weights(fitted)
    np.testing.assert_array_equal(weights(go_on(fitted.set_params(lr=0.0))), before)
    go_on(fitted.set_params(optimizer__weight_decay=0.5, optimizer__nesterov=True, lr=np.float32(0.25)))
    group = optimizer.param_groups[0]
    assert [group[name] for name in ("lr", "momentum", "weight_decay")] == [0.25, 0.9, 0.5]
    assert group["nesterov"]
    assert abs(weights(fitted) - before).max() > 0
    assert (fitted.optimizer_, fitted.module_) == (optimizer, module)
    assert optimizer.state  # its averages stay
    assert go_on(fitted.set_params(optimizer__lr=0.125)).optimizer_.param_groups[0]["lr"] == 0.125


def test_what_a_warm_estimator_is_made_of_is_made_anew(go_on):
    fitted = warm(go_on)
    assert isinstance(go_on(fitted.set_params(optimizer=optim.Adam)).optimizer_, optim.Adam)
    assert go_on(fitted.set_params(criterion__label_smoothing=0.5)).criterion_.label_smoothing == 0.5
    module = fitted.module_
    assert go_on(fitted.set_params(module__hidden=7)).module_ is not module
    assert fitted.optimizer_.param_groups[0]["params"][0] is next(fitted.module_.parameters())
    module = fitted.module_
    assert go_on(fitted.set_params(module__hidden=7)).module_ is module  # set to what it is
    assert len(fitted.history_) == 5


def test_the_loops_parameters_that_are_set_on_a_warm_estimator_count(go_on):
    calls, fitted = [], warm(go_on, batch_size=10)
    fitted.set_params(max_epochs=3, callbacks=[lambda net, row: calls.append(row)], batch_size=200,
                      random_state=3, train_split=0.5)
    assert len(go_on(fitted).history) == 4
    assert len(calls) == 3
    assert fitted.history_[-1].val_loss is not None


def test_what_the_optimizer_has_not_is_refused_and_counts_no_more_once_it_is_corrected(digits):
    X, y = digits[0][:100], digits[1][:100]
    fitted = net(max_epochs=1).fit(X, y).set_params(optimizer__momentum=0.5)
    with pytest.raises(TypeError, match="Adam has no setting momentum; it has lr, betas"):
        fitted.partial_fit(X, y)
    fitted.set_params(optimizer=optim.SGD)
    assert fitted.partial_fit(X, y).optimizer_.param_groups[0]["momentum"] == 0.5


def test_a_seed_may_be_set_on_a_warm_estimator(digits):
    X, y = digits[0][:100], digits[1][:100]
    fitted = net(max_epochs=1, random_state=None).fit(X, y).set_params(random_state=3)
    assert len(fitted.partial_fit(X, y).history) == 2


def test_the_loss_of_an_epoch_weighs_batches_as_the_criterion_does(digits):
    X, y = digits[0][:100], digits[1][:100]
    weight = cnnkit.tensor([1.0, 50.0] + [1.0] * 8)
    small, large = (net(batch_size=size, criterion__weight=weight, optimizer=optim.SGD, lr=0.0, max_epochs=1)
                    .fit(X, y).history[0].loss for size in (7, 100))
    assert small == pytest.approx(large, rel=1e-5)


def test_a_generator_serves_for_one_epoch(digits):
    X, y = digits[0][:40], digits[1][:40]
    batches = [(cnnkit.tensor(X), cnnkit.tensor(y))]
    assert len(net(max_epochs=1).fit(iter(batches)).history) == 1
    with pytest.raises(ValueError, match="X is a list_iterator, which can be gone through only once"):
        net(max_epochs=2).fit(iter(batches))


def test_sparse_inputs_are_refused_with_the_fix_and_lists_and_frames_taken():
    sparse = pytest.importorskip("scipy.sparse")
    X, y = np.random.default_rng(0).normal(size=(8, 4)).astype("f4"), np.arange(8) % 2
    net = NeuralNetClassifier(nn.Linear, criterion=nn.CrossEntropyLoss, module__in_features=4,
                              module__out_features=2, max_epochs=1, verbose=0, random_state=0)
    expected = net.fit(X, y).predict_proba(X)
    for form in (X.tolist(), X.astype(">f8"), memoryview(X)):
        np.testing.assert_allclose(net.fit(form, y.tolist()).predict_proba(form), expected, rtol=1e-5)
    for call in (lambda form: net.fit(form, y), net.predict):
        with pytest.raises(TypeError, match=r"X are a sparse .*, and networks take dense.*toarray\(\)"):
            call(sparse.csr_matrix(X))


def test_labels_that_number_no_output_are_refused_with_their_range():
    X, y = np.random.default_rng(0).normal(size=(8, 4)).astype("f4"), np.arange(8) % 2
    net = NeuralNetClassifier(nn.Linear, criterion=nn.CrossEntropyLoss, module__in_features=4,
                              module__out_features=2, max_epochs=1, verbose=0, random_state=0)
    with pytest.raises(ValueError, match=r"labels from 1 to 2, and the module gives 2 outputs.*numpy.unique"):
        net.fit(X, y + 1)
    net.fit(X, np.where(y == 0, -100, y))
