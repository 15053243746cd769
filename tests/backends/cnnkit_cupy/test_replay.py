"""`cnnkit.capture` and `fit(capture=)` on CuPy: CUDA graphs that give the bits of the step itself."""

import numpy as np
import pytest

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim, random, train
from cnnkit.capturing import captured


def late_streams(order):
    """A block whose streams run in this order, where the device is in software."""
    softcuda = pytest.importorskip("cnnkit_softcuda")
    if not softcuda.loaded():
        pytest.skip("needs the software device, whose streams run late")
    return softcuda.streams(order)


def network():
    with random.seeded(0):
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Dropout2d(0.3), nn.Conv2d(4, 8, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5),
                             nn.Linear(32, 3))


def trained(captured, steps):
    """The bits of all losses and of what a run leaves, and what was captured."""
    rng = np.random.default_rng(0)
    net = network()
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss
    run, losses = cnnkit.capture(step) if captured else step, []
    with random.seeded(1):
        for _ in range(steps):
            x = cnnkit.tensor(rng.random((5, 1, 4, 4), np.float32))
            losses.append(run(x, cnnkit.tensor(rng.integers(0, 3, 5))))
            schedule.step()
        left = random.next_key()
    state = [v for values in optimizer.state_dict()["state"].values() for v in values.values()]
    values = [*losses, *net.state_dict().values(), *state, left]
    return [np.asarray(v.numpy() if hasattr(v, "numpy") else v).tobytes() for v in values], run


def test_a_hundred_steps_with_dropout_adam_and_a_schedule_give_the_same_bits(cupy):
    (expected, _), (got, run) = (trained(captured, 100) for captured in (False, True))
    assert run.replays == 97
    assert got == expected


@pytest.mark.parametrize("order", ["late", "random"])
def test_the_order_of_streams_changes_nothing(cupy, order):
    expected, _ = trained(False, 8)
    with late_streams(order), cupy.cuda.Stream(non_blocking=True):
        got, run = trained(True, 8)
    assert run.replays == 5
    assert got == expected


def test_a_step_on_another_device_than_the_current_one(cupy):
    if cupy.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there is one device")
    expected, _ = trained(False, 8)
    with cnnkit.use("cupy:1"):
        got, run = trained(True, 8)
    assert run.replays == 5
    assert {e._slots.device.id for e in executables(run)} == {1}
    assert got == expected


def executables(run):
    return [step for made in run.plans for step in made.steps if hasattr(step, "_graphs")]


def test_memory_that_comes_again_has_a_graph_of_its_own(cupy):
    net = network().eval()
    predict, x = cnnkit.capture(net), cnnkit.ones(5, 1, 4, 4)
    with cnnkit.no_grad():
        for _ in range(20):
            predict(x)
    assert predict.replays == 17
    assert all(base.memory is None for e in executables(predict) for base in e._bases)


def test_memory_that_is_always_another_is_copied(cupy):
    expected, _ = trained(False, 30)
    got, run = trained(True, 30)  # losses are kept, so each wants new memory
    assert got == expected
    assert any(base.memory is not None for e in executables(run) for base in e._bases)
    assert all(len(e._graphs) <= 8 for e in executables(run))


@pytest.mark.filterwarnings("error::cnnkit.capturing.CaptureWarning")
def test_fit_replays_a_graph_and_learns_the_same_bits(cupy):
    rng = np.random.default_rng(0)
    data = (cupy.asarray(rng.random((40, 1, 4, 4), np.float32)), cupy.asarray(rng.integers(0, 3, 40)))
    learned = []
    for capture in (False, True):
        net = network()
        optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        with random.seeded(1):
            train.fit(net, data, epochs=3, batch_size=8, optimizer=optimizer, progress=False, seed=0,
                      capture=capture)
        learned.append([v.numpy().tobytes() for v in net.state_dict().values()])
    assert learned[0] == learned[1]


def predicted_on_two_streams(cupy):
    """Whether one recording predicts rightly on two streams that know nothing of each other."""
    net = network().eval()
    rng = np.random.default_rng(0)
    data = [cnnkit.tensor(rng.random((5, 1, 4, 4), np.float32)) for _ in range(12)]
    with cnnkit.no_grad():
        expected = [net(x).numpy() for x in data]
        predict, got = cnnkit.capture(net), []
        for x in data[:4]:
            predict(x)
        with late_streams("random"):
            both = [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]
            for n, x in enumerate(data):
                with both[n % 2]:
                    got.append(predict(x))
            for stream in both:
                stream.synchronize()
    assert predict.replays > len(data)
    return all(np.array_equal(a, b.numpy()) for a, b in zip(expected, got))


def test_a_replay_waits_for_one_on_another_stream(cupy):
    assert predicted_on_two_streams(cupy)


# -- mistakes that these tests find --------------------------------------------------------------------------

def test_a_missing_wait_between_streams_is_found(cupy, monkeypatch):
    from cnnkit_cupy.replay import CudaCalls

    monkeypatch.setattr(CudaCalls, "join", lambda self, stream: None)
    assert not all(predicted_on_two_streams(cupy) for _ in range(10))  # some orders are right by chance


def old_addresses(monkeypatch):
    """A replay reads and writes where the first one did: old parameters, old gradients."""
    from cnnkit_cupy.executable import Executable

    captured = Executable._captured
    monkeypatch.setattr(Executable, "_captured", lambda self, now: (
        next(iter(self._graphs.values())) if self._graphs else captured(self, now)))


def old_keys(monkeypatch):
    from cnnkit_cupy.executable import Executable

    monkeypatch.setattr(Executable, "set_key", lambda self, number, key: None)


def not_copied_back(monkeypatch):
    from cnnkit_cupy.executable import Executable

    copy = Executable._copy
    monkeypatch.setattr(Executable, "_copy", lambda self, bases, stream, back: (
        None if back else copy(self, bases, stream, back)))


@pytest.mark.parametrize("mutant", [old_addresses, old_keys, not_copied_back])
def test_a_wrong_replay_is_found(cupy, mutant, monkeypatch):
    expected, _ = trained(False, 20)
    mutant(monkeypatch)
    # the comparison of the third call would find some of them too
    monkeypatch.setattr(captured, "difference", lambda plan, outcome, result: "")
    try:
        got, run = trained(True, 20)
    except cupy.cuda.runtime.CUDARuntimeError as error:  # what was there may be gone
        if "cudaErrorIllegalAddress" not in str(error):
            raise
    else:
        assert run.replays > 0
        assert got != expected
