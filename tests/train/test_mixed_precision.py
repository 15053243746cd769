"""`fit(precision=...)`: float16 and bfloat16 learn as float32 does, and what it cannot do is said."""

import math

import pytest

import cnnkit
from cnnkit import models, nn, random, train
from cnnkit.data import Subset, datasets
from cnnkit.train.callbacks import Callback, StopOnNaN

LEARN, HELD_OUT = datasets.digits(train=True), datasets.digits(train=False)
FEW = Subset(LEARN, range(64))


def digits(epochs=4, learn=LEARN, **settings):
    random.seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                          nn.Flatten(), nn.Linear(128, 10))
    history = train.fit(model, learn, epochs=epochs, lr=1e-2, seed=0, progress=False, **settings)
    return model, history


class Watched(Callback):
    """The scale after each update, and the dtypes of the loss."""

    def __init__(self, spoil_at=None):
        self.scales, self.dtypes, self.spoil_at = [], set(), spoil_at

    def on_train_batch_end(self, run):
        self.scales.append(run.mixed.scaler.get_scale())
        self.dtypes.add(run.loss.dtype.name)

    def on_before_optimizer_step(self, run):
        if run.step == self.spoil_at:
            parameter = next(run.model.parameters())
            parameter.grad = parameter.grad * math.nan


def test_float16_learns_digits_as_float32_does():
    _, plain = digits(validation=HELD_OUT)
    watched = Watched()
    model, mixed = digits(validation=HELD_OUT, precision="16-mixed", callbacks=[watched], clip_norm=10.0)
    assert plain[-1].val_accuracy > 0.93
    assert mixed[-1].val_accuracy > plain[-1].val_accuracy - 0.01
    assert {p.dtype for p in model.parameters()} == {cnnkit.float32}
    assert watched.dtypes == {"float32"}
    assert max(watched.scales) == 2.0**16


def test_bfloat16_learns_digits_as_float32_does():
    pytest.importorskip("torch")
    with cnnkit.use("torch"):
        _, plain = digits(1, validation=HELD_OUT)
        watched = Watched()
        _, mixed = digits(1, validation=HELD_OUT, precision="bf16-mixed", callbacks=[watched])
    assert plain[-1].val_accuracy > 0.8
    assert mixed[-1].val_accuracy > plain[-1].val_accuracy - 0.015
    assert watched.scales == [1.0] * len(watched.scales)


def test_gradients_that_callbacks_and_clipping_see_are_unscaled():
    seen = []

    class Norms(Callback):
        def on_before_optimizer_step(self, run):
            seen.append(max(float(abs(p.grad).max()) for p in run.model.parameters()))
    digits(epochs=1, learn=FEW, precision="16-mixed", callbacks=[Norms()])
    assert max(value for value in seen if math.isfinite(value)) < 100


def test_an_update_that_overflows_is_left_out_and_the_scale_halved():
    """`unscale_` has looked before the callback spoils a gradient: so it is the loss that overflows here."""
    class Overflowing(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.calls = nn.Linear(64, 10), 0

        def forward(self, x):
            self.calls += 1
            y = self.layer(x.flatten(1))
            return y * (math.inf if self.calls == 2 else 1.0)
    random.seed(0)
    model, watched, weights = Overflowing(), Watched(), []

    class Weights(Callback):
        def on_train_batch_end(self, run):
            weights.append(model.layer.weight.tolist())
    with pytest.raises(FloatingPointError, match="after epoch 1"):  # the mean loss is no number then
        train.fit(model, FEW, batch_size=16, precision="16-mixed", callbacks=[watched, Weights()],
                  progress=False)
    assert watched.scales == [65536.0, 32768.0, 32768.0, 32768.0]
    assert weights[0] == weights[1] != weights[2]


def test_stop_on_nan_leaves_infinite_gradients_to_the_scaler():
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(64, 10)

        def forward(self, x):
            return self.layer(x.flatten(1) * 30)  # times 65,536 the weights' gradients are infinite
    random.seed(0)
    history = train.fit(Large(), FEW, batch_size=16, precision="16-mixed", callbacks=[StopOnNaN()],
                        progress=False)
    assert math.isfinite(history[-1].loss)


@pytest.mark.parametrize(("precision", "change", "message"), [
    ("bf16-mixed", lambda model: model, "'numpy' has not; use '16-mixed'"),
    ("16", lambda model: model, "'32-true', '16-mixed', 'bf16-mixed'; got '16'"),
    ("16-mixed", lambda model: model.double(), r"model's are float64; convert them with model.float\(\)"),
    ("16-mixed", lambda model: model.half(), "model's are float16")])
def test_what_cannot_be_is_refused_before_anything_is_trained(precision, change, message):
    model = change(models.CommonCNN((1, 8, 8)))
    with cnnkit.use("numpy"), pytest.raises(ValueError, match=message):
        train.fit(model, FEW, precision=precision, progress=False)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_a_model_of_another_dtype_is_trained_in_it(dtype):
    random.seed(0)
    model = models.CommonCNN((1, 8, 8)).to(dtype=dtype)
    history = train.fit(model, FEW, epochs=3, lr=5e-3, progress=False)
    assert {p.dtype.name for p in model.parameters()} == {dtype}
    assert history[-1].loss < history[0].loss
