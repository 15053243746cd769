"""The flame graph of a training step: it has the phases and layers, and the model stays as it is."""

import numpy as np
import pytest

import cnnkit
from cnnkit import nn
from cnnkit.report import step
from cnnkit.report.step import step_profile


def test_it_shows_every_phase_and_the_model_stays_as_it_is():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    model.eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    made = step_profile(model, cnnkit.rand(4, 1, 8, 8), cnnkit.tensor([0, 1, 2, 0]))
    assert made.images == 4
    assert made.seconds > 0
    for phase in ("forward", "backward", "update"):
        assert f"<title>{phase}: " in made.drawing
    assert "cross_entropy" in made.drawing
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_of_the_steps_after_the_first_the_quickest_is_shown(monkeypatch):
    measured = iter([0.1, 0.4, 0.2, 0.3])  # the first makes what the others find

    class Measured:
        def __init__(self, model):
            self.seconds = next(measured)

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            pass

        def flame_graph(self):
            return f"the step of {self.seconds} s"
    monkeypatch.setattr(step, "profile", Measured)
    made = step_profile(nn.Conv2d(1, 1, 3), cnnkit.rand(2, 1, 8, 8), None)
    assert (made.seconds, made.drawing) == (0.2, "the step of 0.2 s")


def test_without_labels_the_mean_is_the_loss_and_one_image_is_enough():
    model = nn.Sequential(nn.Conv2d(1, 4, 8), nn.BatchNorm2d(4))
    made = step_profile(model, cnnkit.rand(1, 1, 8, 8), None)
    assert "mean" in made.drawing


@pytest.mark.parametrize("model", [nn.Identity(), nn.Sequential(nn.Conv2d(1, 1, 3)).requires_grad_(False)])
def test_what_does_not_learn_has_no_step(model):
    assert step_profile(model, cnnkit.rand(1, 1, 8, 8), None) is None
