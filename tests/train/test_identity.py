"""A resumed run is compared with the one that it goes on from: all that differs is named."""

import warnings

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim, random, train
from cnnkit.data import DataLoader, Subset, datasets
from cnnkit.optim import lr_scheduler
from cnnkit.train import checkpoints, identity
from cnnkit.train.callbacks import Callback, Checkpoint, EarlyStopping, LearningRateMonitor
from cnnkit.train.checkpoints import CheckpointWarning
from cnnkit.train.identity import Change, ResumeError

DIGITS = datasets.digits(train=True)
LEARN, HELD_OUT = Subset(DIGITS, range(48)), Subset(DIGITS, range(60, 80))


class Pause(Callback):
    def on_train_batch_end(self, run):
        if run.step == 4:
            run.pause("for the test")


def network(dropout=0.5, activation=nn.ReLU):
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), activation(), nn.Dropout(dropout),
                         nn.Flatten(), nn.Linear(72, 10))


def go(folder, pause=False, *, start=0, model=network, data=LEARN, callbacks=(), resume=True, **settings):
    random.seed(start)
    model = model()
    settings = {"batch_size": 16, "lr": 0.01, "seed": 0, "scheduler": lambda o: lr_scheduler.StepLR(o, 1),
                "validation": HELD_OUT, "clip_norm": 1.0, "ema": 0.9, "epochs": 2} | settings
    if callable(settings.get("optimizer")):
        settings["optimizer"] = settings["optimizer"](model)
    train.fit(model, data, resume=resume, progress=False,
              callbacks=[Checkpoint(folder), *callbacks, *[Pause()] * pause], **settings)
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def paused(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paused")
    go(folder, pause=True)
    return checkpoints.newest(folder).state


REFUSED = {
    "lr": ({"lr": 0.1}, "its lr was 0.01, and now it is 0.1"),
    "momentum": ({"optimizer": "sgd"}, "its optimizer was Adam, and now it is SGD"),
    "weight_decay": ({"weight_decay": 0.1}, "its weight_decay was 0, and now it is 0.1"),
    "betas": ({"optimizer": lambda m: optim.Adam(m.parameters(), lr=0.01, betas=(0.5, 0.9))},
              r"its betas was \[0.9, 0.999\], and now it is \[0.5, 0.9\]"),
    "groups": ({"optimizer": lambda m: optim.Adam([{"params": m[0].parameters()},
                                                   {"params": [*m[1].parameters(), *m[5].parameters()]}],
                                                  lr=0.01)}, "its lr of group 0 was missing"),
    "a part": ({"optimizer": lambda m: optim.Adam(m[5].parameters(), lr=0.01)},
               "its trained parameters was"),
    "batch size": ({"batch_size": 8}, "its batch size was 16, and now it is 8"),
    "seed": ({"seed": 5}, "its seed was 0, and now it is 5"),
    "augment": ({"augment": "flip"}, "its augmentation was None"),
    "step size": ({"scheduler": lambda o: lr_scheduler.StepLR(o, 2)}, "its scheduler's step_size was 1, and"),
    "lambda": ({"scheduler": lambda o: lr_scheduler.LambdaLR(o, lambda n: 1)}, "its scheduler was StepLR"),
    "interval": ({"scheduler_interval": "step"}, "its scheduler_interval was 'epoch', and now it is 'step'"),
    "accumulate": ({"accumulate_grad_batches": 2}, "its accumulate_grad_batches was 1, and now it is 2"),
    "clip_norm": ({"clip_norm": 0.1}, "its clip_norm was 1, and now it is 0.1"),
    "clip_value": ({"clip_value": 0.1}, "its clip_value was None, and now it is 0.1"),
    "ema": ({"ema": 0.5}, "its ema was 0.9, and now it is 0.5"),
    "no ema": ({"ema": None}, "its ema was 0.9, and now it is None"),
    "class weights": ({"class_weight": {3: 2.0}}, r"its loss was cross_entropy, and now it is Weighted"),
    "loss": ({"loss": nn.CrossEntropyLoss(label_smoothing=0.1)}, "its loss was cross_entropy, and now it is"),
    "validation": ({"validation": Subset(DIGITS, range(61, 81))}, "its validation data was"),
    "no validation": ({"validation": None}, "its validation data was .* and now it is None"),
    "data": ({"data": Subset(DIGITS, range(1, 49))}, "its data was"),
    "fewer data": ({"data": Subset(DIGITS, range(40))}, "its number of samples was 48, and now it is 40"),
    "dropout": ({"model": lambda: network(0.8)}, r"its layer 3 was Dropout\(inplace=False, p=0.5\)"),
    "activation": ({"model": lambda: network(activation=nn.Tanh)}, r"its layer 2 was ReLU\(inplace=False\)"),
    "wider": ({"model": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))},
              "it is of another model: .*0.weight"),
    "dtype": ({"model": lambda: network().to(dtype="float64")}, "its dtype was float32"),
    "frozen": ({"model": lambda: _frozen(network())}, "its layers in evaluation mode was"),
    "loader": ({"data": DataLoader(LEARN, 16, shuffle=True, drop_last=True, seed=0)},
               "its data: drop_last was"),
}


def _frozen(model):
    model[1].eval()
    return model


@pytest.mark.parametrize("name", REFUSED)
def test_a_run_with_other_settings_or_data_is_refused(name, paused, tmp_path):
    settings, message = REFUSED[name]
    with pytest.raises(ResumeError, match=message), warnings.catch_warnings():
        go(tmp_path, resume=paused, **settings)


def test_one_error_names_all_and_says_how_to_go_on(paused, tmp_path):
    with pytest.raises(ValueError, match="resume_changes") as caught:
        go(tmp_path, resume=paused, lr=0.1, clip_norm=2.0, ema=0.5)
    assert caught.value.changes == [Change("lr", "0.01", "0.1"), Change("clip_norm", "1", "2"),
                                    Change("ema", "0.9", "0.5")]
    assert str(caught.value) == (
        "the checkpoint cannot be resumed: its lr was 0.01, and now it is 0.1; its clip_norm was 1, and now "
        "it is 2; its ema was 0.9, and now it is 0.5; resume with the settings and the data that the run "
        "began with, or accept what differs: fit(..., resume_changes=['lr', 'clip_norm', 'ema']), or 'warn' "
        "for any")


def test_the_same_settings_are_told_of_nothing(paused, tmp_path):
    np.testing.assert_equal(go(tmp_path / "a", resume=paused), go(tmp_path / "b"))


def test_epochs_and_callbacks_that_watch_may_change(paused, tmp_path):
    go(tmp_path, resume=paused, epochs=3, callbacks=[LearningRateMonitor()], metrics=["f1"])


def test_other_settings_of_a_callback_that_ends_the_run_are_refused(tmp_path):
    go(tmp_path, pause=True, callbacks=[EarlyStopping(patience=5)])
    with pytest.raises(ResumeError, match="its EarlyStopping's patience was 5, and now it is 9; resume"):
        go(tmp_path, callbacks=[EarlyStopping(patience=9)])
    with pytest.raises(ResumeError, match="its EarlyStopping's min_delta was 0, and now it is missing"):
        go(tmp_path)
    go(tmp_path, callbacks=[EarlyStopping(patience=5)])


@pytest.mark.parametrize("accepted", ["warn", ["clip_norm", "ema"]])
def test_changes_that_are_accepted_are_told_and_become_the_runs_own(accepted, paused, tmp_path):
    with pytest.warns(CheckpointWarning, match="although its clip_norm was 1, and now it is 2; its ema"):
        go(tmp_path, resume=paused, clip_norm=2.0, ema=0.5, resume_changes=accepted)
    go(tmp_path, clip_norm=2.0, ema=0.5, epochs=3)
    with pytest.raises(ResumeError, match=r"its ema was 0\.5, and now it is 0\.9"):
        go(tmp_path, clip_norm=2.0)


def test_what_is_not_among_the_accepted_is_refused(paused, tmp_path):
    with pytest.raises(ResumeError, match="its ema was"):
        go(tmp_path, resume=paused, clip_norm=2.0, ema=0.5, resume_changes=["clip_norm"])
    with pytest.raises(ResumeError, match="its batch size was") as caught:
        go(tmp_path, resume=paused, batch_size=8, resume_changes="warn")
    assert not caught.value.acceptable
    with pytest.raises(ValueError, match=r"resume_changes must be 'refuse', 'warn', or a list.* got 'ask'"):
        go(tmp_path, resume_changes="ask")


def test_an_accepted_rate_is_that_of_the_next_update(tmp_path):
    rates = LearningRateMonitor()
    go(tmp_path, pause=True, scheduler=None)
    with pytest.warns(CheckpointWarning, match="its lr was"):
        go(tmp_path, scheduler=None, lr=0.5, resume_changes=["lr"], callbacks=[rates])
    assert [rate for _, (rate,) in rates.rates] == [0.5] * 2


def test_another_seed_of_the_weights_is_told(paused, tmp_path):
    with pytest.warns(CheckpointWarning, match="not from what this program begins with: its random seed was "
                      "0, and now it is 7; .*its checksum of the initial weights was"):
        resumed = go(tmp_path / "a", resume=paused, start=7)
    np.testing.assert_equal(resumed, go(tmp_path / "b"))


def test_a_generator_that_was_merely_drawn_from_is_not(paused, tmp_path):
    def later():
        random.next_key()
        return network()

    go(tmp_path, resume=paused, model=later)


@pytest.mark.parametrize(("name", "value"), [("instruction set", "abc"), ("NumPy", "1.0"), ("Python", "2.7")])
def test_another_machine_or_version_is_told(name, value, paused, tmp_path):
    state = {**paused, "identity": {**paused["identity"], "circumstances":
                                    {**paused["identity"]["circumstances"], name: value}}}
    with pytest.warns(CheckpointWarning, match=f"its bits may differ from now on: its {name} was {value}"):
        go(tmp_path, resume=state)


def test_another_kernel_table_is_told(tmp_path):
    with cnnkit.use("numpy"):
        go(tmp_path, pause=True)
    with cnnkit.backends.tables(), pytest.warns(CheckpointWarning, match="its kernel tables was numpy"):
        go(tmp_path)


def test_a_loss_whose_code_has_changed_is_told(tmp_path):
    def made(sign):
        if sign > 0:
            def loss(output, target):
                return F.cross_entropy(output, target)
        else:
            def loss(output, target):
                return F.cross_entropy(output, target) - 1
        return loss

    go(tmp_path, pause=True, loss=made(1))
    with pytest.warns(CheckpointWarning, match="its code of model, loss, schedule and augmentation was"):
        go(tmp_path, loss=made(-1))


def test_a_schedule_whose_function_has_changed_is_told(tmp_path):
    go(tmp_path, pause=True, scheduler=lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.9 ** n))
    with pytest.warns(CheckpointWarning, match="its code of model, loss, schedule and augmentation was"):
        go(tmp_path, scheduler=lambda o: lr_scheduler.LambdaLR(o, lambda n: 0.5 ** n))


def test_hooks_are_told(paused, tmp_path):
    def hooked():
        model = network()
        model.register_forward_hook(lambda module, inputs, output: output * 2)
        return model

    with pytest.warns(CheckpointWarning, match=r"its hooks was \[\], and now it is"):
        go(tmp_path, resume=paused, model=hooked)


def test_a_dataset_of_ones_own_is_known_by_its_settings(tmp_path):
    class Scaled:
        def __init__(self, factor):
            self.factor = factor

        def __len__(self):
            return 48

        def __getitem__(self, i):
            return LEARN[i][0] * self.factor, int(LEARN[i][1])

    go(tmp_path, pause=True, data=Scaled(1))
    with pytest.raises(ResumeError, match=r"its data was .*Scaled\(factor=1\), and now it is .*factor=2"):
        go(tmp_path, data=Scaled(2))


def test_a_list_of_pairs_is_known_by_its_numbers(tmp_path):
    pairs = [LEARN[i] for i in range(48)]
    go(tmp_path, pause=True, data=pairs)
    with pytest.raises(ResumeError, match="its data was"):
        go(tmp_path, data=[(1 - x, y) for x, y in pairs])
    go(tmp_path, data=[(x.copy(), y) for x, y in pairs])


def test_a_loader_that_is_used_again_is_the_same(tmp_path):
    loader = DataLoader(LEARN, 16, shuffle=True, seed=0)
    go(tmp_path, pause=True, data=loader)
    go(tmp_path, data=loader)


def test_a_checkpoint_of_an_older_version_is_resumed_with_a_warning(paused, tmp_path):
    state = {name: value for name, value in paused.items() if name != "identity"}
    with pytest.warns(CheckpointWarning, match="an older version of cnnkit wrote it"):
        go(tmp_path, resume=state)


@pytest.mark.parametrize("damaged", [1, {}, {"settings": {}, "circumstances": {"a": 1}}])
def test_an_identity_of_another_form_is_an_error(damaged, paused, tmp_path):
    with pytest.raises(ValueError, match=r"the checkpoint's identity, .* is not what cnnkit writes"):
        go(tmp_path, resume={**paused, "identity": damaged})


def test_a_run_that_keeps_nothing_has_no_identity(monkeypatch):
    monkeypatch.setattr(identity, "of", lambda *_: pytest.fail("it was computed"))
    train.fit(network(), LEARN, progress=False)


def test_on_every_backend(backend, tmp_path):
    go(tmp_path, pause=True, validation=None)
    go(tmp_path, validation=None)
