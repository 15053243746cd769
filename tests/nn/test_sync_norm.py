"""SyncBatchNorm over the shards of a batch is BatchNorm over the whole batch."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from captured_steps import replayed

import cnnkit
from cnnkit import nn, train
from cnnkit.autograd.differentiation import grad
from cnnkit.capturing import CaptureWarning, capture
from cnnkit.distributed.lockstep import Lockstep
from cnnkit.distributed.meeting import local

PARTS = [0, 3, 4, 6]  # shards 0..2 begin and end here; shard 3 has no sample


def in_shards(layer, x, target, parts=PARTS):
    """Outputs and gradients of the parts, computed in lockstep."""
    outputs, gradients = {}, {}

    def work(shard):
        def compute():
            part = x[parts[shard]:parts[shard + 1]].detach().requires_grad_()
            outputs[shard] = layer(part)
            loss = (outputs[shard] * target[parts[shard]:parts[shard + 1]]).sum()
            gradients[shard] = grad(loss, [part, *layer.parameters()])
        return compute
    lockstep = Lockstep(4, 1 + 2 * layer.num_features, lambda numbers: [numbers])
    lockstep.run({shard: work(shard) for shard in range(len(parts) - 1)})
    return outputs, gradients


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("affine", [True, False])
def test_shards_have_the_outputs_gradients_and_statistics_of_the_whole_batch(momentum, affine):
    rng = np.random.default_rng(0)
    x, target = (cnnkit.tensor(rng.normal(3, 2, (6, 5, 4, 3))) for _ in range(2))
    whole = nn.BatchNorm2d(5, momentum=momentum, affine=affine, dtype="float64")
    if affine:
        whole.weight.data = cnnkit.tensor(rng.normal(size=5))
        whole.bias.data = cnnkit.tensor(rng.normal(size=5))
    sync = nn.SyncBatchNorm(5, momentum=momentum, affine=affine, dtype="float64")
    sync.load_state_dict(whole.state_dict())
    for _ in range(2):
        given = x.clone().requires_grad_()
        y = whole(given)
        expected = grad((y * target).sum(), [given, *whole.parameters()])
        outputs, gradients = in_shards(sync, x, target)
    np.testing.assert_allclose(np.concatenate([outputs[s].numpy() for s in range(3)]), y.detach().numpy(),
                               rtol=1e-10)
    dx = np.concatenate([gradients[s][0].numpy() for s in range(3)])
    np.testing.assert_allclose(dx, expected[0].numpy(), atol=1e-10)
    for n, value in enumerate(expected[1:], 1):
        np.testing.assert_allclose(sum(gradients[s][n].numpy() for s in range(3)), value.numpy(), rtol=1e-10)
    for name, value in whole.state_dict().items():
        np.testing.assert_allclose(sync.state_dict()[name].numpy(), value.numpy(), rtol=1e-10)


def test_one_part_is_batch_norm():
    x = cnnkit.tensor(np.random.default_rng(0).normal(size=(4, 2, 3)))
    layer, norm = nn.SyncBatchNorm(2, dtype="float64"), nn.BatchNorm1d(2, dtype="float64")
    assert (layer(x) == norm(x)).all()


def test_one_value_a_channel_is_too_few():
    layer = nn.SyncBatchNorm(2)
    with pytest.raises(ValueError, match="more than one value for each channel in training; all parts"):
        in_shards(layer, cnnkit.ones(1, 2), cnnkit.ones(1, 2), parts=[0, 1])


class Twice:
    """A meeting with a second part that says the same."""

    parts = 2

    def tell(self, numbers):
        return [list(numbers), list(numbers)]

    def first(self):
        return True


@replayed
def test_a_captured_step_declines_it_by_name(monkeypatch):
    monkeypatch.setattr(local, "meeting", Twice())
    layer = nn.SyncBatchNorm(2)
    run = capture(lambda x: layer(x).sum().backward(), uses=[layer])
    x = cnnkit.rand(4, 2, 3)
    run(x)
    with pytest.warns(CaptureWarning, match="SyncBatchNorm waits for the moments of the batch's other parts"):
        run(x)
    run(x)
    assert run.replays == 0
    assert layer.num_batches_tracked.item() == 3  # and each call was one


@replayed
def test_fit_with_capture_says_that_its_shards_are_not():
    model = nn.Sequential(nn.Linear(3, 2), nn.SyncBatchNorm(2))
    data = np.ones((8, 3), np.float32), np.zeros(8, int)
    with pytest.warns(UserWarning, match="SyncBatchNorm is not captured in shards"):
        train.fit(model, data, epochs=1, batch_size=8, shards=2, capture=True, progress=False, seed=0)


def test_an_error_of_one_shard_ends_the_others():
    def bad():
        raise OSError("no such picture")

    def good():
        cnnkit.distributed.meeting.current().tell([1.0])
    before = threading.active_count()
    with pytest.raises(OSError, match="no such picture"):
        Lockstep(2, 1, lambda numbers: [numbers]).run({0: good, 1: bad})
    assert threading.active_count() == before
