"""fit learns the same bits whether forward and backward are replayed or not."""

import warnings

import numpy as np
import pytest

import cnnkit
from cnnkit import backends, nn, optim, train
from cnnkit import functional as F
from cnnkit.capturing import Captured, CaptureWarning
from cnnkit.capturing.ahead import Ahead
from cnnkit.data import datasets
from cnnkit.train.callbacks.callback import Callback

replayed = pytest.mark.skipif(
    not any(table.native for table in backends.get("numpy").serving()),
    reason="no kernel table that can be replayed serves NumPy's arrays here")
DATA = datasets.digits(train=True)
IMAGES, LABELS = (array[:140] for array in (DATA.images, DATA.targets)) if hasattr(DATA, "images") else (
    np.stack([np.asarray(DATA[i][0]) for i in range(140)]), np.array([int(DATA[i][1]) for i in range(140)]))


@pytest.fixture(autouse=True)
def nothing_held():
    """What other tests have left in the kernels' memory counts as the run's, which is not captured then."""
    backends.release_memory()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.dropout, self.fc = nn.Dropout(0.3), nn.Linear(8 * 16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.fc(self.dropout(x.flatten(1)))


class Counted(Net):
    """A model whose forward does more than compute."""

    calls = 0

    def forward(self, x):
        Counted.calls += 1
        return super().forward(x)


class Watch(Callback):
    """Notes how many batches were replayed, and what callbacks see."""

    def __init__(self):
        self.replays, self.seen = 0, []

    def on_before_optimizer_step(self, run):
        self.seen += [p.grad.numpy().tobytes() for _, p in run.named_parameters()]

    def on_train_batch_end(self, run):
        self.seen.append(run.loss.numpy().tobytes())
        self.replays = run.learn.replays if isinstance(run.learn, Captured) else None


class Late(Callback):
    """Notes what a callback sees behind the optimizer's step, and how many steps a replay had computed."""

    def __init__(self):
        self.replays, self.seen = None, []

    def on_train_batch_end(self, run):
        parameters = [*run.model.parameters()]
        self.seen += [run.loss.numpy().tobytes(), *(p.numpy().tobytes() for p in parameters),
                      *(p.grad.numpy().tobytes() for p in parameters if p.grad is not None)]
        self.act(run)
        if isinstance(run.learn, Captured):
            self.replays = run.learn.updates if isinstance(run.learn, Ahead) else 0

    def act(self, run):
        """What it does besides."""


class Slower(Late):
    """Halves the learning rate after each step."""

    def act(self, run):
        run.optimizer.param_groups[0]["lr"] *= 0.5


class ReadsState(Late):
    """Reads the optimizer's state, which is then kept in another form."""

    def act(self, run):
        if run.step == 5:
            self.seen.append(len(run.optimizer.state))


class Freezes(Late):
    """Freezes a part of the model in the middle of the run."""

    def act(self, run):
        if run.step == 7:
            run.model.conv.weight.requires_grad_(False)


class OwnStep(optim.SGD):
    """An optimizer that counts its steps."""

    steps = 0

    def step(self, closure=None):
        OwnStep.steps += 1
        return super().step(closure)


def watched_sgd(parameters):
    """An optimizer whose step somebody has replaced on the object."""
    optimizer = optim.SGD(parameters, lr=0.1)
    step = optimizer.step

    def counted(closure=None):
        OwnStep.steps += 1
        return step(closure)
    optimizer.step = counted
    return optimizer


def fitted(capture, model=Net, watch=Watch, **settings):
    cnnkit.random.seed(5)
    net, watch = model(), watch()
    if callable(optimizer := settings.get("optimizer")):
        settings["optimizer"] = optimizer(net.parameters())
    settings = {"epochs": 2, "batch_size": 20, "lr": 0.01, "seed": 1, **settings}
    history = train.fit(net, (IMAGES, LABELS), progress=False, callbacks=[watch], capture=capture, **settings)
    weights = [value.numpy().tobytes() for value in net.state_dict().values()]
    rows = [(row.loss, row.accuracy, row.lr) for row in history]
    return weights, rows, watch.seen, cnnkit.random.get_state(), watch.replays


@replayed
@pytest.mark.parametrize("settings", [
    {}, {"optimizer": "sgd"}, {"augment": "crop=1,rotate"}, {"scheduler": "one-cycle"},
    {"clip_norm": 0.5, "clip_value": 0.1}, {"ema": 0.9}, {"batch_size": 45},
    {"accumulate_grad_batches": 2, "class_weight": "balanced"},
    {"accumulate_grad_batches": 3, "batch_size": 12},
    {"validation": (IMAGES, LABELS)}, {"class_weight": "balanced"}, {"diagnose": True},
    {"shards": 2}, {"shards": 3, "accumulate_grad_batches": 2}], ids=str)
def test_the_same_bits_are_learnt(settings):
    *expected, none = fitted(False, **settings)
    *learnt, replays = fitted(None, **settings)
    assert learnt == expected
    assert none is None
    assert replays >= (2 if settings.get("batch_size", 20) == 45 else 6)


STEPS = {  # settings of `fit` by what is special
    "nothing": {}, "sgd": {"optimizer": "sgd"}, "adamw": {"optimizer": "adamw"},
    "rmsprop": {"optimizer": "rmsprop"},
    "nesterov": {"optimizer": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True)},
    "amsgrad": {"optimizer": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True)},
    "one-cycle": {"scheduler": "one-cycle"}, "cosine": {"scheduler": "cosine"}, "average": {"ema": 0.9},
    "weights": {"class_weight": "balanced"}, "augmentation": {"augment": "crop=1,rotate"},
    "validation": {"validation": (IMAGES, LABELS)}, "callback": {"watch": Slower}}
OWN_STEPS = {  # and those where replays compute no step, or only so many
    "clipped norm": ({"clip_norm": 0.5}, 0), "clipped values": ({"clip_value": 0.1}, 0),
    "accumulation": ({"accumulate_grad_batches": 2}, 0), "shards": ({"shards": 2}, 0),
    "adagrad": ({"optimizer": lambda p: optim.Adagrad(p, lr=0.1)}, 0),
    "another step": ({"optimizer": lambda p: OwnStep(p, lr=0.1)}, 0),
    "replaced step": ({"optimizer": watched_sgd}, 0), "state that is read": ({"watch": ReadsState}, 2),
    "frozen": ({"watch": Freezes}, 4)}


@replayed
@pytest.mark.parametrize("name", STEPS)
def test_the_optimizers_step_is_computed_by_the_replay(name):
    settings = STEPS[name]
    *expected, _ = fitted(False, **{"watch": Late, **settings})
    *learnt, updates = fitted(None, **{"watch": Late, **settings})
    assert learnt == expected
    assert updates == 11  # of 14, all but the first three


@replayed
@pytest.mark.parametrize("name", OWN_STEPS)
def test_elsewhere_the_optimizer_makes_its_own(name):
    settings, least = OWN_STEPS[name]
    OwnStep.steps = 0
    *expected, _ = fitted(False, **{"watch": Late, **settings})
    *learnt, updates = fitted(None, **{"watch": Late, **settings})
    assert learnt == expected
    assert updates == least
    assert OwnStep.steps in (0, 28)


class Reporter:
    """Progress that somebody watches, who changes what the optimizer's step is made of."""

    def __init__(self, change):
        self.change, self.steps = change, 0

    def begin(self, epoch, epochs, batches):
        """An epoch begins."""

    def step(self, tally):
        self.steps += 1
        self.change(self.steps)

    def validate(self, done, total):
        """Nothing to show."""

    def note(self, text):
        """Nothing to show."""

    def end(self, row):
        """Nothing to show."""

    def close(self):
        """Nothing to close."""


@replayed
@pytest.mark.parametrize("what", ["settings", "gradient", "array", "parameter", "no gradient"])
def test_what_changes_before_the_step_counts(what):
    def learnt(capture):
        cnnkit.random.seed(5)
        net, late = Net(), Late()
        optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def change(step):
            if step in (6, 7, 10):
                if what == "settings":
                    optimizer.param_groups[0]["lr"] *= 0.5
                elif what == "gradient":
                    net.conv.weight.grad = net.conv.weight.grad * 2
                elif what == "array":
                    net.conv.weight.grad.mul_(2)
                elif what == "no gradient":
                    net.conv.weight.grad = None
                else:
                    with cnnkit.no_grad():
                        net.conv.weight.mul_(0.5)
        train.fit(net, (IMAGES, LABELS), batch_size=20, epochs=2, seed=1, optimizer=optimizer,
                  callbacks=[Noted(late)], capture=capture, progress=Reporter(change))
        return [value.numpy().tobytes() for value in net.state_dict().values()], late.replays
    (expected, _), (weights, updates) = learnt(False), learnt(None)
    assert weights == expected
    assert updates == 8


class Noted(Callback):
    """Only counts the replayed updates for another."""

    def __init__(self, late):
        self.late = late

    def on_train_batch_end(self, run):
        self.late.replays = run.learn.updates if isinstance(run.learn, Ahead) else None


@replayed
def test_an_update_that_was_not_made_is_forgotten():
    net = nn.Linear(3, 2)
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    def learn(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        return loss
    step, x, y = Ahead(learn, optimizer), cnnkit.ones(4, 3), cnnkit.tensor([0, 1, 0, 1])
    for _ in range(5):
        step(x, y)
        step.update()
    before = net.weight.numpy().copy()
    step(x, y)
    step(x, y)
    assert (net.weight.numpy() == before).all()
    step.update()
    once = before - np.float32(0.1) * net.weight.grad.numpy()
    np.testing.assert_allclose(net.weight.numpy(), once, rtol=1e-6)
    assert (step.replays, step.updates) == (4, 3)


@replayed
def test_a_model_whose_code_does_more_is_left_alone():
    Counted.calls = 0
    *expected, none = fitted(None, Counted)
    assert (none, Counted.calls) == (None, 14)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaptureWarning)
        *learnt, replays = fitted(True, Counted)
    assert learnt == expected
    assert replays > 6
    assert Counted.calls < 28


@replayed
def test_what_cannot_be_captured_is_said_if_it_was_asked_for():
    def loss(output, target):
        value = F.cross_entropy(output, target)
        return value * 1.0 if float(value.detach()) > 0 else value
    with pytest.warns(CaptureWarning, match="are read"):
        *learnt, replays = fitted(True, loss=loss)
    assert replays == 0
    assert learnt == [*fitted(False, loss=loss)][:-1]
