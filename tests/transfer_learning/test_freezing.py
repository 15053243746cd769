"""What is frozen learns no more, and its batch norm keeps its statistics whatever `train` says."""

import copy

import numpy as np
import pytest

import cnnkit
from cnnkit import models, nn, optim, train
from cnnkit.transfer_learning import freeze, frozen_names, unfreeze


def net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LeakyReLU(), nn.Conv2d(2, 3, 3),
                         nn.BatchNorm2d(3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))


DATA = np.random.default_rng(0).random((16, 1, 8, 8), np.float32) * 3 + 1, [0, 1] * 8


@pytest.mark.parametrize(("what", "frozen"), [
    ("backbone", {"0", "1", "3", "4"}), ("head", {"7"}), ("all", {"0", "1", "3", "4", "7"}),
    (0, set()), (2, {"0", "1"}), (3, {"0", "1", "3"}), ("[01]", {"0", "1"}), (["3", "7"], {"3", "7"}),
    ("*.bias", {"0", "1", "3", "4", "7"})])
def test_parts_are_named_by_words_numbers_and_patterns(what, frozen):
    model = freeze(net(), what)
    assert {name.split(".")[0] for name in frozen_names(model)} == frozen
    assert frozen_names(unfreeze(model)) == []


def test_numbers_count_the_parts_of_features():
    model = freeze(models.squeezenet1_1(width_mult=0.125), 2)
    assert {name.rsplit(".", 1)[0] for name in frozen_names(model) if "expand" not in name} == {
        "features.0", "features.3.squeeze"}


@pytest.mark.parametrize(("what", "match"), [
    ("layer9", "Sequential has no part 'layer9'; it has 0, 1"), (9, "has 5 parts that could be frozen"),
    (-1, "got -1"), (["0", "nothing"], "no part 'nothing'")])
def test_parts_that_are_not_there_are_told(what, match):
    with pytest.raises(ValueError, match=match):
        freeze(net(), what)


def test_something_that_names_no_part_is_refused():
    for what in (True, 1.5, None):
        with pytest.raises(TypeError, match="names such as"):
            freeze(net(), what)


def test_frozen_norms_keep_their_statistics_whatever_train_says():
    model = freeze(net(), ["0", "1"])
    for change in (model.train, lambda: model.train(True), lambda: model.eval().train()):
        change()
        assert (model.training, model[1].training, model[4].training) == (True, False, True)
    before = [model[n].running_mean.numpy().copy() for n in (1, 4)]
    model(cnnkit.tensor(DATA[0]))
    np.testing.assert_array_equal(model[1].running_mean.numpy(), before[0])
    assert not np.array_equal(model[4].running_mean.numpy(), before[1])
    assert unfreeze(model)[1].training


def test_training_changes_what_is_not_frozen_and_nothing_else():
    model = freeze(net(), ["0", "1"])
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    train.fit(model, DATA, epochs=2, progress=False)
    changed = {name for name, value in model.state_dict().items()
               if not np.array_equal(value.numpy(), before[name])}
    assert {name.split(".")[0] for name in changed} == {"3", "4", "7"}
    assert (model[1].training, model[4].training) == (False, True)


def test_a_model_that_was_evaluated_is_trained_but_for_its_frozen_norms():
    model = freeze(net(), ["0", "1"]).eval()
    before = model[1].running_mean.numpy().copy()
    train.fit(model, DATA, progress=False)
    np.testing.assert_array_equal(model[1].running_mean.numpy(), before)
    assert model[4].num_batches_tracked.item() == 1
    assert not any(module.training for module in model.modules())


def test_copies_are_frozen_too():
    model = copy.deepcopy(freeze(net(), ["0", "1"]))
    assert frozen_names(model.train()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert not model[1].training


def test_an_optimizer_passes_over_what_is_frozen_and_goes_on_with_it_later():
    model = freeze(net())
    optimizer = optim.Adam(model.parameters(), 0.1)
    for step in range(2):
        before = model[0].weight.numpy().copy()
        optimizer.zero_grad()
        (model(cnnkit.tensor(DATA[0])) ** 2).sum().backward()
        optimizer.step()
        assert np.array_equal(model[0].weight.numpy(), before) == (step == 0)
        unfreeze(model)
