"""Parts of a batch computed side by side: to the bits of one call after the other."""

import numpy as np
import pytest
from captured_steps import replayed
from cnnkit_cpu.replay import Executable

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim, random, train
from cnnkit.capturing import Captured, capture, merging

pytestmark = replayed
PARTS = 3


class Learns:
    """A captured step that makes gradients, of a network with everything that parts may confuse."""

    def __init__(self):
        random.seed(0)
        self.net = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 48, 3, 2), nn.ReLU(), nn.Flatten(),
            nn.Dropout(0.3), nn.Linear(48 * 9, 10))
        self.run = capture(self.step, uses=[self.net])
        self.before = [buffer.array for buffer in self.net.buffers()]
        for n in range(PARTS):
            self.begin()
            self.run(*part(n))
        self.begin()

    def step(self, x, y, share):
        loss = F.cross_entropy(self.net(x), y)
        (loss * share).backward()
        return loss

    def begin(self):
        """Every part begins with the same buffers, and without gradients."""
        for parameter in self.net.parameters():
            parameter.grad = None
        for buffer, array in zip(self.net.buffers(), self.before):
            if buffer.array is not array:  # reading it adds what was counted
                buffer.rebind(array)

    def state(self, loss):
        return [value.numpy().tobytes() for value in (
            loss, *(p.grad for p in self.net.parameters()), *self.net.buffers())]

    def one_by_one(self, parts):
        states = []
        for n, arguments in enumerate(parts):
            self.begin()
            with random.stream(random.key(n)):
                states.append(self.state(self.step(*arguments)))
        self.begin()
        return states


def part(seed, images=2):
    rng = np.random.default_rng(seed)
    return (cnnkit.tensor(rng.standard_normal((images, 3, 8, 8), dtype=np.float32)),
            cnnkit.tensor(rng.integers(0, 10, images)), cnnkit.tensor(np.float32(0.1 + seed)))


KEYS = [random.key(n) for n in range(5)]


@pytest.mark.parametrize("count", [2, PARTS, 5])
def test_parts_give_the_bits_of_one_after_the_other(count):
    learns, parts = Learns(), [part(10 + n) for n in range(count)]
    expected = learns.one_by_one(parts)
    for _ in range(2):  # memory is used again
        commits = learns.run.together(parts, KEYS)
        states = []
        for commit in commits:
            learns.begin()
            states.append(learns.state(commit()))
            del commit
        learns.begin()
        for state, of_part in zip(states, expected):
            assert [a == b for a, b in zip(state, of_part)] == [True] * len(state)


def test_each_convolution_is_one_call_for_all_parts():
    learns = Learns()
    assert learns.run.together([part(n) for n in range(PARTS)], KEYS) is not None
    form, = learns.run._forms.values()
    # forward of three; their input's gradients, but for that of the images
    assert form.parts.merged[PARTS].joined == 5


def test_gradients_are_told_of_while_others_are_computed(monkeypatch):
    monkeypatch.setattr(merging, "FINISHED", 1)
    learns, parts = Learns(), [part(n) for n in range(PARTS)]
    told, runs = [], []
    names = {id(parameter): name for name, parameter in learns.net.named_parameters()}

    def arrived(parameter, gradients):
        told.append((names[id(parameter)], [gradient.tobytes() for gradient in gradients], len(runs)))
    run = Executable.run
    monkeypatch.setattr(Executable, "run", lambda self, bases: runs.append(1) or run(self, bases))
    commits = learns.run.together(parts, KEYS, arrived)
    assert [name for name, *_ in told][:2] == ["9.weight", "9.bias"]  # of the last layer, and so on
    assert sorted(name for name, *_ in told) == sorted(names.values())
    assert len({moment for *_, moment in told}) > 4
    for n, commit in enumerate(commits):
        learns.begin()
        commit()
        for name, parameter in learns.net.named_parameters():
            assert [gradients[n] for of, gradients, _ in told if of == name] == [
                parameter.grad.numpy().tobytes()]


def test_parts_of_several_shapes_are_not_computed_together():
    learns = Learns()
    assert learns.run.together([part(0), part(1, images=3)], KEYS) is None


def test_where_numbers_want_other_kernels_nothing_has_happened():
    learns, parts = Learns(), [part(n) for n in range(PARTS)]
    x = parts[1][0].numpy().copy()
    x[0, 0, 0, 0] = np.inf
    state = random.get_state()
    assert learns.run.together([parts[0], (cnnkit.tensor(x), *parts[1][1:]), parts[2]], KEYS) is None
    assert random.get_state() == state
    assert all(parameter.grad is None for parameter in learns.net.parameters())
    expected = learns.one_by_one(parts)  # and the next time is as ever
    commits = learns.run.together(parts, KEYS)
    for commit, of_part in zip(commits, expected):
        learns.begin()
        assert learns.state(commit()) == of_part


@pytest.mark.parametrize("batch_size", [32, 29])
def test_shards_are_computed_side_by_side_in_fit(batch_size, monkeypatch):
    original, computed = Captured.together, []

    def together(self, calls, keys, arrived=None):
        commits = original(self, calls, keys, arrived)
        computed.append((len(calls), commits is not None))
        return commits
    monkeypatch.setattr(Captured, "together", together)

    def weights(capture):
        random.seed(1)
        net = Learns().net
        rng = np.random.default_rng(0)
        count = 4 * batch_size
        data = rng.standard_normal((count, 3, 8, 8), dtype=np.float32), rng.integers(0, 10, count)
        train.fit(net, data, epochs=2, batch_size=batch_size, shards=8, seed=0, progress=False,
                  capture=capture, optimizer=optim.SGD(net.parameters(), lr=0.05, momentum=0.9))
        return {name: value.numpy().tobytes() for name, value in net.state_dict().items()}
    fast = weights(None)
    assert computed
    assert computed[-1] == ((8, True) if batch_size == 32 else (3, True))
    assert weights(False) == fast
