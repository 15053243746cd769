"""The modes that the user set stay: during training, and after fit, evaluate and predict."""

import numpy as np
import pytest

from cnnkit import evaluation, nn, random, train
from cnnkit.train.callbacks import Callback
from cnnkit.train.modes import Modes

RNG = np.random.default_rng(0)
DATA = RNG.random((16, 1, 4, 4)).astype("float32"), np.arange(16) % 3


def network():
    random.seed(0)
    body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(8, 3))


def modes(model):
    return [module.training for module in model.modules()]


class Seen(Callback):
    def __init__(self):
        self.modes = []

    def on_before_optimizer_step(self, run):
        self.modes.append(modes(run.model))


def fit(model, *callbacks, **settings):
    seen = Seen()
    train.fit(model, DATA, callbacks=[*callbacks, seen], progress=False, **{"epochs": 2} | settings)
    return seen.modes


def test_a_body_in_evaluation_mode_stays_in_it_and_keeps_its_statistics():
    model = network()
    model[0].eval()
    before, mean = modes(model), model[0][1].running_mean.numpy().copy()
    assert fit(model, validation=DATA) == [before] * 2
    np.testing.assert_array_equal(model[0][1].running_mean.numpy(), mean)
    assert modes(model) == before
    evaluation.predict(model, DATA[0])
    evaluation.evaluate(model, DATA)
    assert modes(model) == before


def test_a_model_in_evaluation_mode_is_trained_as_a_whole_and_returned_to_it():
    model = network().eval()
    assert fit(model) == [[True] * len(modes(model))] * 2
    assert modes(model) == [False] * len(modes(model))


def test_of_a_model_in_evaluation_mode_what_is_frozen_stays_in_it():
    model = network().eval()
    model[0].requires_grad_(False)
    assert fit(model) == [[True, False, False, False, False, True, True]] * 2


def test_a_models_own_train_is_called():
    class Own(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[0].training = False
            return self

    model = Own(*network())
    assert not any(seen[1] for seen in fit(model))


def test_a_callback_may_thaw_a_part_and_may_forget_to_leave_evaluation_mode():
    class Thaw(Callback):
        def on_train_epoch_end(self, run):
            if run.epoch == 1:
                run.model[0].train()
            else:
                run.model.eval()

    model = network()
    model[0].eval()
    first, second, third = fit(model, Thaw(), epochs=3)
    assert (first[1], second[1], third[1]) == (False, True, False)
    assert (third[0], third[-1]) == (True, True)


def test_modes_are_restored_after_an_error():
    model = network()
    model[0].eval()
    before = modes(model)

    class Stop(Callback):
        def on_train_batch_end(self, run):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fit(model, Stop())
    assert modes(model) == before


def test_modes_of_a_model_whose_head_alone_trains():
    model = network().eval()
    model[2].train()
    modes_of_run = Modes(model)
    modes_of_run.set()
    assert modes(model) == [False] * 6 + [True]
    modes_of_run.keep()
    assert modes(model) == [False] * 6 + [True]
