"""`Unfreeze`: more of the network learns from an epoch on, also in a run that is resumed."""

import numpy as np
import pytest

from cnnkit import nn, optim, random, train, transfer
from cnnkit.train.callbacks import Callback, Checkpoint
from cnnkit.train.checkpoints import CheckpointWarning
from cnnkit.transfer_learning import Unfreeze, frozen_names, unfreeze

DATA = np.random.default_rng(0).random((32, 1, 8, 8), np.float32), [0, 1] * 16


def net():
    random.seed(0)
    return transfer(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                                  nn.Flatten(), nn.Linear(4, 3)), 2)


class Watch(Callback):
    """Notes what is frozen, and the running mean, after each epoch; pauses after some updates."""

    def __init__(self, pause=None):
        self.frozen, self.means, self.pause = [], [], pause

    def on_train_epoch_end(self, run):
        self.frozen.append(len(frozen_names(run.model)))
        self.means.append(run.model[1].running_mean.numpy().copy())

    def on_train_batch_end(self, run):
        if run.step == self.pause:
            run.pause("for the test")


def fit(model, epochs, *callbacks, **options):
    train.fit(model, DATA, epochs=epochs, batch_size=16, seed=0, progress=False, callbacks=callbacks,
              **options)
    return model


def test_the_backbone_learns_from_that_epoch_on():
    watch = Watch()
    model = fit(net(), 3, watch, Unfreeze(2))
    assert watch.frozen == [4, 4, 0]
    assert np.array_equal(watch.means[0], watch.means[1])
    assert not np.array_equal(watch.means[1], watch.means[2])
    assert model[1].training


def test_parts_may_follow_one_after_the_other():
    watch = Watch()
    fit(net(), 3, watch, Unfreeze(1, "1"), Unfreeze(2, "0"))
    assert watch.frozen == [4, 2, 0]


@pytest.mark.parametrize("pause", [1, 3, 4, 5])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, pause):
    whole = fit(net(), 3, Unfreeze(1))
    fit(net(), 3, Watch(pause), Unfreeze(1), Checkpoint(tmp_path))
    resumed = fit(net(), 3, Unfreeze(1), resume=tmp_path)
    for name, value in whole.state_dict().items():
        np.testing.assert_array_equal(resumed.state_dict()[name].numpy(), value.numpy())


class ByHand(Callback):
    """Unfreezes when an epoch ends, and keeps no state."""

    def on_train_epoch_end(self, run):
        if run.epoch == 1:
            unfreeze(run.model)


@pytest.mark.parametrize("pause", [1, 4, 5])
def test_what_a_callback_of_ones_own_unfroze_learns_in_the_resumed_run_too(tmp_path, pause):
    whole = fit(net(), 3, ByHand())
    fit(net(), 3, Watch(pause), ByHand(), Checkpoint(tmp_path))
    resumed = fit(net(), 3, ByHand(), resume=tmp_path)
    assert frozen_names(resumed) == []
    for name, value in whole.state_dict().items():
        np.testing.assert_array_equal(resumed.state_dict()[name].numpy(), value.numpy())


def test_a_run_goes_on_with_other_parts_frozen_where_that_is_accepted(tmp_path):
    fit(net(), 3, Watch(3), Checkpoint(tmp_path))
    with pytest.warns(CheckpointWarning, match="trained parameters"):
        resumed = fit(unfreeze(net()), 3, resume=tmp_path, resume_changes="warn")
    assert frozen_names(resumed) == []


def test_a_run_is_not_resumed_with_another_epoch(tmp_path):
    fit(net(), 3, Watch(3), Unfreeze(2), Checkpoint(tmp_path))
    with pytest.raises(ValueError, match="Unfreeze's epoch was 2, and now it is 1"):
        fit(net(), 3, Unfreeze(1), resume=tmp_path)


def test_an_optimizer_that_lacks_the_parameters_is_told():
    model = net()
    with pytest.raises(ValueError, match=r"the optimizer has no 0\.weight, .* from epoch 1 on"):
        fit(model, 2, Unfreeze(1), optimizer=optim.SGD(model[5].parameters(), 0.1))


def test_parts_that_are_not_there_are_told_before_anything_is_trained():
    with pytest.raises(ValueError, match="no part 'layer9'"):
        fit(net(), 2, Unfreeze(1, "layer9"))
