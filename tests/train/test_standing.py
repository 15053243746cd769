"""However an error or a second signal ends a run, its last whole state goes on to the same bits."""

import re
import signal
import sys

import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, random, train
from cnnkit.data import DataLoader, Subset, datasets
from cnnkit.train import checkpoints
from cnnkit.train.callbacks import Callback, Checkpoint, EarlyStopping, LearningRateMonitor

LEARN = Subset(datasets.digits(train=True), range(64))  # four batches an epoch
HELD_OUT = Subset(datasets.digits(train=False), range(32))
EPOCHS, BATCHES = 3, 4
heavy = pytest.mark.heavy
HOOKS = ["on_train_epoch_start", "on_before_optimizer_step", "on_train_batch_end", "on_train_epoch_end"]


class Planted:
    """Raises an error where a place in the code is passed for the `at`-th time."""

    def __init__(self, place="", at=0, error=ZeroDivisionError):
        self.place, self.left, self.error = place, at, error

    def passed(self, place):
        if place == self.place:
            self.left -= 1
            if self.left == 0:
                raise self.error("planted")


class Net(nn.Module):
    """A buffer that forward assigns anew and others that a layer changes, with random numbers in between."""

    def __init__(self, planted):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(0.3))
        self.last = nn.Linear(64, 10)
        self.register_buffer("scale", cnnkit.tensor([1.0] * 64))
        self._planted = planted

    def forward(self, x):
        x = self.layers(x)
        if self.training:
            self.scale = self.scale * 0.9 + x.detach().abs().mean(dim=0) * 0.1
            self._planted.passed("forward")
        return self.last(x * self.scale)


class Passing(Callback):
    """Passes a place in each of its hooks, before or after the callbacks that have a state."""

    def __init__(self, planted, when):
        self._planted, self._when = planted, when


for hook in HOOKS:
    setattr(Passing, hook, lambda self, run, hook=hook: self._planted.passed(f"{self._when} {hook}"))


class Counting(Callback):
    """Counts the updates and epochs that it was told of."""

    def __init__(self):
        self.batches = self.epochs = 0

    def on_train_batch_end(self, run):
        self.batches += 1

    def on_train_epoch_end(self, run):
        self.epochs += 1

    def state_dict(self):
        return vars(self).copy()

    def load_state_dict(self, state):
        vars(self).update(state)


class Loss:
    def __init__(self, planted):
        self._planted = planted

    def __call__(self, output, target):
        if output.requires_grad:
            self._planted.passed("loss")
        return F.cross_entropy(output, target)


class Dataset:
    def __init__(self, planted):
        self._planted = planted

    def __len__(self):
        return len(LEARN)

    def __getitem__(self, index):
        if index == 5:  # in some batch of each epoch
            self._planted.passed("dataset")
        return LEARN[index]


class Loader:
    """A loader of one's own, which draws random numbers."""

    def __init__(self, planted):
        self._planted = planted

    def __len__(self):
        return BATCHES

    def __iter__(self):
        for x, y in DataLoader(LEARN, batch_size=16):
            noise = random.uniform(random.next_key(), x.shape, like=x.array)
            self._planted.passed("loader")
            yield x + cnnkit.Tensor(noise), y


def go(folder=None, planted=None, data="dataset", signals=None):
    """The weights, figures and callbacks' states of a run, with an error planted or `signals` sent in it."""
    planted = planted or Planted()
    random.seed(3)
    model = Net(planted)
    rates, stopping, counting = LearningRateMonitor(), EarlyStopping(patience=9), Counting()
    kept = [] if folder is None else [Checkpoint(folder, every_n_epochs=None)]
    samples = Dataset(planted) if data == "dataset" else Loader(planted)
    with signals or Signals():
        history = train.fit(model, samples, epochs=EPOCHS, batch_size=16, lr=0.01, loss=Loss(planted), seed=0,
                            validation=HELD_OUT, ema=0.5, scheduler="one-cycle", progress=False,
                            callbacks=[Passing(planted, "before"), rates, stopping, counting,
                                       Passing(planted, "after"), *kept], resume=folder is not None)
    rows = [{name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}
            for row in history.as_dicts()]
    weights = {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    return weights, rows, rates.rates, stopping.best, vars(counting), random.get_state()


class Signals:
    """Sends Ctrl-C twice at the `at`-th line of cnnkit's own Python code that trains."""

    def __init__(self, at=0):
        self.at, self.lines = at, 0

    def __enter__(self):
        self._outer = sys.gettrace()
        if self.at:
            sys.settrace(self._trace)

    def __exit__(self, *exc):
        sys.settrace(self._outer)

    def _trace(self, frame, event, argument):
        if not any(part in frame.f_code.co_filename for part in ("cnnkit/train", "cnnkit/optim")):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
        return self._trace


@pytest.fixture(scope="module")
def undisturbed():
    return {data: go(data=data) for data in ("dataset", "loader")}


def updates_kept(folder):
    files = checkpoints.numbered(folder)
    return checkpoints.read(files[-1]).state["step"] if files else 0


@pytest.mark.parametrize(("place", "at", "updates"), [
    ("forward", 5, 4), ("loader", 5, 4), ("dataset", 2, 7), ("before on_train_batch_end", 7, 7),
    ("after on_before_optimizer_step", 7, 6), ("before on_train_epoch_end", 2, 8),
    *(pytest.param(*case, marks=heavy) for case in (
        ("forward", 7, 6), ("loss", 7, 6), ("loader", 7, 6), ("before on_train_epoch_start", 2, 4),
        ("before on_before_optimizer_step", 6, 5), ("after on_train_batch_end", 8, 8),
        ("after on_train_epoch_end", 2, 8)))])
def test_an_error_anywhere_leaves_a_checkpoint_that_goes_on_to_the_same_bits(place, at, updates, tmp_path,
                                                                             undisturbed):
    data = "loader" if place == "loader" else "dataset"
    with pytest.raises(ZeroDivisionError) as caught:
        go(tmp_path, Planted(place, at), data)
    kept = updates_kept(tmp_path)
    assert kept == updates
    hint = re.escape(f"; fit(..., resume={str(tmp_path)!r}) goes on from there.")
    assert re.fullmatch(f".*checkpoint-0.* has the run after {kept} updates, in epoch [23] of {EPOCHS}{hint}",
                        *caught.value.__notes__)
    assert go(tmp_path, data=data) == undisturbed[data]


@pytest.mark.parametrize("error", [MemoryError, pytest.param(KeyboardInterrupt, marks=heavy), SystemExit])
def test_so_does_an_error_of_any_kind(error, tmp_path, undisturbed):
    with pytest.raises(error):
        go(tmp_path, Planted("forward", 6, error))
    assert updates_kept(tmp_path) == 5
    assert go(tmp_path) == undisturbed["dataset"]


def interrupted(at, folder):
    """Whether Ctrl-C twice at this line of code ended the run; it then goes on."""
    try:
        go(folder, signals=Signals(at))
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("at", [4456, 5800])
def test_a_second_ctrl_c_at_any_line_leaves_what_goes_on_to_the_same_bits(at, tmp_path, undisturbed):
    assert interrupted(at, tmp_path)
    assert go(tmp_path) == undisturbed["dataset"]


@pytest.mark.heavy
def test_so_it_does_at_each_hundredth_line(tmp_path, undisturbed):
    at = 1
    while interrupted(at, folder := tmp_path / str(at)):
        assert go(folder) == undisturbed["dataset"], at
        at += 101
    assert at > 5_000
