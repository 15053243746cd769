"""A user's datasets and loaders in `NeuralNet`: attributes that mean something else are left alone."""

import numpy as np
import pytest

from cnnkit import nn, tensor

pytest.importorskip("sklearn.base", reason="needs scikit-learn: pip install 'cnnkit[sklearn]'")

from cnnkit.sklearn import NeuralNetClassifier

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 6), np.float32), RNG.integers(0, 3, 40)
MEANINGLESS = {"dataset": "flowers", "targets": "labels", "classes": 3, "shuffle": lambda: None,
               "shape": "round", "batch_size": None, "size": 10, "epoch": 1, "device": "mine",
               "name": "n", "augment": True}


def net(**settings):
    return NeuralNetClassifier(nn.Linear, criterion=nn.CrossEntropyLoss, max_epochs=2, verbose=0,
                               random_state=0, module__in_features=6, module__out_features=3, batch_size=8,
                               **settings)


class Pairs:
    """A user's dataset, before it is given attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index], int(Y[index])


class Batches:
    """A user's loader, before it is given attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def __iter__(self):
        return ((tensor(X[n:n + 8]), tensor(Y[n:n + 8])) for n in range(0, len(X), 8))


@pytest.mark.parametrize("name", MEANINGLESS)
def test_no_attribute_of_a_dataset_changes_what_is_learnt_and_predicted(name):
    odd = Pairs(**{name: MEANINGLESS[name]})
    expected = net().fit(Pairs()).predict_proba(Pairs())
    np.testing.assert_array_equal(net().fit(odd).predict_proba(odd), expected)
    assert len(net(train_split=0.25).fit(odd).history_) == 2


@pytest.mark.parametrize("name", MEANINGLESS)
def test_no_attribute_of_a_loader_changes_what_is_learnt_and_predicted(name):
    odd = Batches(**{name: MEANINGLESS[name]})
    fitted = net().fit(odd)
    np.testing.assert_array_equal(fitted.predict_proba(odd), net().fit(Batches()).predict_proba(X))
    with pytest.raises(ValueError, match=r"train_split=0\.25 divides a dataset; a loader is taken as it is"):
        net(train_split=0.25).fit(odd)
