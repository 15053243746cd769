"""A training step as a CUDA graph gives the bits of the eager one, whatever changes from step to step."""

import numpy as np
import pytest
from cnnkit_cupy.graphs import record

import cnnkit
from cnnkit import functional as F
from cnnkit import nn, optim, random


def network(dropout=0.5):
    with random.seeded(0):
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Dropout(dropout), nn.Flatten(),
                             nn.Dropout(dropout), nn.Linear(16, 3))


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.01), "amsgrad": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
}


def trained(cupy, make, steps, recorded, batches=3):
    """All that a run of so many steps leaves, and its losses."""
    rng = np.random.default_rng(0)
    images = cupy.asarray(rng.random((batches, 5, 1, 4, 4), np.float32))
    labels = cupy.asarray(rng.integers(0, 3, (batches, 5)))
    x, y = cnnkit.Tensor(cupy.empty_like(images[0])), cnnkit.Tensor(cupy.empty_like(labels[0]))
    net = network()
    optimizer = make(net.parameters())
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)

    def step():
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        return loss

    def eager():
        optimizer.zero_grad()
        loss = step()
        optimizer.step()
        return loss
    train, losses = record(step, net, optimizer) if recorded else eager, []
    with random.seeded(1):
        for n in range(steps):
            x.array[...], y.array[...] = images[n % batches], labels[n % batches]
            losses.append(train().array.copy())
            schedule.step()
        drawn = random.next_key()
    state = [v for values in optimizer.state_dict()["state"].values() for v in values.values()]
    left = [*net.state_dict().values(), *state]
    return [np.asarray(v.numpy() if hasattr(v, "numpy") else v) for v in left] + [
        cupy.stack(losses).get(), np.asarray(drawn)], train


@pytest.mark.parametrize("name", ["momentum", "adam", "amsgrad"])
def test_a_hundred_replayed_steps_give_the_bits_of_eager_ones(cupy, name):
    (expected, _), (got, train) = (trained(cupy, OPTIMIZERS[name], 102, how) for how in (False, True))
    assert train.calls == 102
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a.tobytes() == b.tobytes()


def test_a_replay_is_two_launches_and_waits_for_nothing(cupy):
    softcuda = pytest.importorskip("cnnkit_softcuda")
    if not softcuda.loaded():
        pytest.skip("needs the software device, which counts")
    _, train = trained(cupy, OPTIMIZERS["adam"], 4, True)
    softcuda.reset()
    train()
    counted = softcuda.stats()
    with softcuda.log() as calls:
        train()
    assert sum(call.startswith("launch") and "set_words" in call for call in calls) == 1
    assert sum("graph" in call.lower() for call in calls) == 1
    assert {name: n for name, n in counted.items() if n and ("alloc" in name or "cop" in name
                                                             or "wait" in name or "sync" in name)} == {}


def test_the_current_stream_is_waited_for_and_waits(cupy):
    """Streams of the software device that run late show a wait that is missing."""
    softcuda = pytest.importorskip("cnnkit_softcuda")
    if not softcuda.loaded():
        pytest.skip("needs the software device, whose streams run late")
    expected, _ = trained(cupy, OPTIMIZERS["adam"], 5, False)
    for order in ("late", "random"):
        with softcuda.streams(order), cupy.cuda.Stream(non_blocking=True):
            got, _ = trained(cupy, OPTIMIZERS["adam"], 5, True)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(got, expected))


# -- what is refused -----------------------------------------------------------------------------------------

def recorded_step(net=None, optimizer=optim.SGD, body=None):
    net = net or nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    x = cnnkit.ones(3, 1, 2, 2)

    def step():
        loss = net(x).sum()
        if body is not None:
            loss = body(loss)
        loss.backward()
        return loss
    return net, record(step, net, optimizer(net.parameters(), lr=0.1))


def test_another_array_of_a_parameter_is_refused(cupy):
    net, train = recorded_step()
    for _ in range(3):
        train()
    net[1].weight.data = cnnkit.zeros(2, 4)
    with pytest.raises(RuntimeError, match=r"1\.weight was given another array .* record the step anew"):
        train()


def test_an_optimizer_that_makes_new_parameters_is_refused(cupy):
    with pytest.raises(TypeError, match="RMSprop makes new parameters at every step"):
        recorded_step(optimizer=optim.RMSprop)


def test_a_model_that_is_elsewhere_is_refused(cupy):
    with pytest.raises(TypeError, match=r"move it with Module\.to\('cupy'\)"):
        recorded_step(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).to("numpy"))


def test_random_numbers_of_the_step_are_refused(cupy):
    _, train = recorded_step(body=lambda loss: loss * cnnkit.rand(()))
    train()
    with pytest.raises(RuntimeError, match="draw"):
        train()


def test_a_value_that_is_read_is_refused(cupy):
    _, train = recorded_step(body=lambda loss: loss * loss.item())
    train()
    with pytest.raises(RuntimeError, match="capturing"):
        train()


def test_a_parameter_that_no_kernel_updates_is_refused(cupy):
    net = nn.Sequential(nn.Flatten(), nn.PReLU()).double()
    x = cnnkit.ones(3, 1, 2, 2, dtype="float64")

    def step():
        net(x).sum().backward()
    train = record(step, net, optim.SGD(net.parameters(), lr=0.1))
    train()
    with pytest.raises(RuntimeError, match=r"gives 1\.weight another array"):
        train()
