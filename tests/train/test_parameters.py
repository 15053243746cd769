"""What is zeroed, clipped and averaged are the optimizer's parameters."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim, random, train
from cnnkit.train.callbacks import Callback, Checkpoint, StopOnNaN

RNG = np.random.default_rng(0)
DATA = RNG.random((16, 1, 4, 4)).astype("float32"), np.arange(16) % 3


def network():
    random.seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 3))


class Norms(Callback):
    def __init__(self, *parameters):
        self.parameters, self.norms = parameters, []

    def on_before_optimizer_step(self, run):
        squares = [float((p.grad * p.grad).sum().item()) for p in self.parameters if p.grad is not None]
        self.norms.append(sum(squares) ** 0.5)


def values(*parameters):
    return np.concatenate([parameter.numpy().ravel() for parameter in parameters])


class Scaled:
    """Cross-entropy with a weight that is learnt."""

    def __init__(self):
        self.scale = cnnkit.tensor([1.0], requires_grad=True)

    def __call__(self, output, target):
        return (F.cross_entropy(output, target) * self.scale * 1000.0).sum()


def test_an_optimizer_of_the_head_is_clipped_by_the_heads_gradients_alone():
    model = network()
    head = list(model[3].parameters())
    rest = values(*model[1].parameters()).copy()
    norms = Norms(*head)
    train.fit(model, DATA, optimizer=optim.SGD(head, lr=0.1), clip_norm=1e-3, epochs=9, batch_size=4,
              ema=0.5, callbacks=[norms, StopOnNaN()], progress=False)
    np.testing.assert_allclose(norms.norms, 1e-3, rtol=1e-2)
    np.testing.assert_array_equal(values(*model[1].parameters()), rest)


def test_a_weight_of_the_loss_is_zeroed_clipped_averaged_and_resumed(tmp_path):
    def run(**settings):
        model, loss = network(), Scaled()
        norms = Norms(*model.parameters(), loss.scale)
        optimizer = optim.SGD([*model.parameters(), loss.scale], lr=1e-3)
        train.fit(model, DATA, loss=loss, optimizer=optimizer, seed=0, batch_size=4, clip_norm=1.0, ema=0.9,
                  progress=False, callbacks=[norms, *settings.pop("callbacks", ())], **settings)
        return loss.scale.item(), norms.norms

    scale, norms = run(epochs=3)
    np.testing.assert_allclose(norms, 1.0, rtol=1e-4)
    assert scale != run(epochs=2, callbacks=[Checkpoint(tmp_path)])[0]
    assert run(epochs=3, resume=tmp_path)[0] == scale


def test_what_is_frozen_is_neither_changed_nor_averaged():
    model = network()
    model[1].requires_grad_(False)
    model[1].weight.grad = cnnkit.tensor(np.full((4, 16), 1e6, "float32"))  # of an earlier backward pass
    before, norms = values(*model[1].parameters()).copy(), Norms(*model[3].parameters())
    train.fit(model, DATA, clip_norm=1e-3, ema=0.5, epochs=2, callbacks=[norms], progress=False)
    np.testing.assert_allclose(norms.norms, 1e-3, rtol=1e-2)
    np.testing.assert_array_equal(values(*model[1].parameters()), before)
    ema = train.ema.EMA(model, 0.5)
    ema.update()
    assert list(ema.state_dict()) == ["3.weight", "3.bias"]


def test_a_run_in_which_nothing_is_trained_is_refused():
    model = network().requires_grad_(False)
    with pytest.raises(ValueError, match="none of the optimizer's parameters requires a gradient"):
        train.fit(model, DATA, progress=False)
